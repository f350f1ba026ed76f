"""Which web pages may use the API; their requests are told by Origin and Host."""

import aiohttp
import pytest

from transform_hub.hub.server import serve

EVIL = "https://evil.example"
PANEL = "https://panel.example"
TOKEN = "token-0123456789abcdef"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
async def ask(tmp_path):
    """Starts a Hub with settings and sends it a request with headers; gives status and who may read the answer."""

    async def ask(method="GET", path="/version", settings=None, **headers):
        async with serve(data_dir=tmp_path, **(settings or {})) as hub, aiohttp.ClientSession() as session:
            if "token" in (settings or {}) and method != "OPTIONS":
                headers["Authorization"] = f"Bearer {TOKEN}"
            async with session.request(method, hub.url + path, headers=headers) as answer:
                return answer.status, answer.headers.get(ALLOWED)

    return ask


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_no_foreign_page_may_use_a_hub_without_token(ask, method):
    for origin in (EVIL, "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://1.2.3.4"):
        status, _ = await ask(method, "/sequence" if method == "POST" else "/version", Origin=origin)
        assert status == 403, origin


async def test_what_is_no_page_is_answered_as_by_sth(ask):
    assert await ask() == (200, "*")
    assert await ask("OPTIONS", "/anything") == (200, "*")


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:8000", "http://[::1]", "http://a.localhost"]
)
async def test_pages_of_this_machine_may(ask, origin):
    assert await ask("OPTIONS", Origin=origin) == (200, "*")


async def test_names_that_lead_here_are_not_this_hub(ask):
    assert (await ask(Host="evil.example:8000"))[0] == 403
    assert (await ask(Host="evil.example:8000", Origin="http://evil.example:8000"))[0] == 403
    for known in ("localhost:8000", "127.0.0.1", "[::1]:80", "192.168.1.7", "hub:8000"):
        assert (await ask(Host=known))[0] == 200
    assert (await ask(Host="evil.example", settings={"token": TOKEN}))[0] == 200  # it has no token
    assert (await ask(Host="hub.example", settings={"insecure": True}))[0] == 200


async def test_configured_pages_may_and_their_name_is_known(ask):
    settings = {"cors_origins": (PANEL,)}
    assert await ask(Origin=PANEL, settings=settings) == (200, PANEL)
    assert (await ask(Origin=PANEL, Host="panel.example", settings=settings))[0] == 200
    assert (await ask(Origin=EVIL, settings=settings))[0] == 403
    assert await ask(Origin=EVIL, Host="evil.example", settings={"cors_origins": ("*",)}) == (200, "*")


async def test_with_a_token_only_configured_pages_may_read(ask):
    assert await ask(Origin=EVIL, settings={"token": TOKEN}) == (200, None)
    assert await ask(Origin="http://localhost:3000", settings={"token": TOKEN}) == (200, None)
    settings = {"token": TOKEN, "cors_origins": (PANEL,)}
    assert await ask(Origin=PANEL, settings=settings) == (200, PANEL)
    assert await ask("OPTIONS", Origin=PANEL, settings=settings) == (200, PANEL)
    assert await ask("OPTIONS", Origin=EVIL, settings=settings) == (200, None)
