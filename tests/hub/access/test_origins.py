"""Which web pages may use the API; their requests are told by Origin, Host, Sec-Fetch-* and Referer.

tests/web/test_pages.py tries the same with a browser.
"""

import contextlib
import socket

import aiohttp
import pytest

from transform_hub.hub.server import serve

EVIL = "https://evil.example"
PANEL = "https://panel.example"
TOKEN = "token-0123456789abcdef"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture
async def ask(tmp_path):
    """Sends a request with headers to a Hub with settings; gives status and who may read the answer."""
    hubs = {}

    async def ask(method="GET", path="/version", settings=None, **headers):
        key = str(settings)
        if key not in hubs:
            hub = serve(data_dir=tmp_path / str(len(hubs)), **(settings or {}))
            hubs[key] = await running.enter_async_context(hub)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if "token" in (settings or {}) and method != "OPTIONS":
            headers["Authorization"] = f"Bearer {TOKEN}"
        async with session.request(method, hubs[key].url + path, headers=headers) as answer:
            return answer.status, answer.headers.get(ALLOWED)

    async with contextlib.AsyncExitStack() as running, aiohttp.ClientSession() as session:
        yield ask


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
    for name in ("evil:8000", "evil", "evil.", "localhost.evil", "[evil", "evil@"):  # of a resolver that has gone over
        assert (await ask(Host=name))[0] == 403, name
    machine = socket.gethostname()
    for known in (
        "localhost:8000",
        "127.0.0.1",
        "[::1]:80",
        "192.168.1.7",
        "LOCALHOST",
        "localhost.",
        machine,
        f"{machine}:80",
    ):
        assert (await ask(Host=known))[0] == 200, known
    assert (await ask(Host="hub:8000", settings={"cors_origins": ("http://hub:8000",)}))[0] == 200
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


BROWSER = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0", "Accept_Language": ""}
LOOK, TAKE, CHANGE = ("GET", "/instances"), ("GET", "/topic/mine"), ("POST", "/topics")


def fetched(site, mode="no-cors", dest="image", **headers):
    """The headers of a browser that sends no Origin."""
    return {**BROWSER, "Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest, **headers}


@pytest.mark.parametrize("route", [LOOK, TAKE, CHANGE])
@pytest.mark.parametrize(
    "headers",
    [
        fetched("cross-site"),
        fetched("cross-site", "navigate", "iframe"),
        fetched("cross-site", Referer="http://localhost:3000/"),  # redirected by whom that page got an image from
        fetched("same-site"),
        fetched("same-site", Referer=EVIL + "/localhost"),
        fetched("anything"),
    ],
)
async def test_what_a_page_of_another_site_loads_is_refused_though_it_has_no_origin(ask, route, headers):
    assert (await ask(*route, **headers))[0] == 403


@pytest.mark.parametrize("site", ["none", "cross-site", "same-site"])
async def test_a_tab_may_be_led_to_what_is_only_looked_at(ask, site):
    headers = fetched(site, "navigate", "document")
    assert (await ask(*LOOK, **headers))[0] == 200
    assert (await ask(*TAKE, **headers))[0] == 403
    assert (await ask(*CHANGE, **headers))[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        fetched("same-origin"),
        fetched("same-site", Referer="http://localhost:3000/a/b"),
        fetched("cross-site", Origin="http://[::1]"),
    ],
)
async def test_the_hubs_own_pages_and_those_of_this_machine_load_what_they_like(ask, headers):
    assert (await ask("HEAD", "/topic/mine", **headers))[0] == 404
    assert (await ask(*LOOK, **headers))[0] == 200


async def test_a_browser_that_says_nothing_changes_and_takes_nothing(ask):
    settings = {"cors_origins": (PANEL,)}
    assert (await ask(*LOOK, **BROWSER))[0] == 200
    for route in (TAKE, CHANGE):
        assert (await ask(*route, **BROWSER))[0] == 403
        assert (await ask(*route, **BROWSER, Referer=f"{EVIL}/", settings=settings))[0] == 403
    assert (await ask("HEAD", "/topic/mine", **BROWSER, Referer=f"{PANEL}/", settings=settings))[0] == 404


async def test_programs_are_no_browsers(ask):
    powershell = {"User_Agent": "Mozilla/5.0 (Linux; Debian; en-US) PowerShell/7.4.6"}
    node = {"User_Agent": "node", "Accept_Language": "*", "Sec_Fetch_Mode": "cors"}  # of its fetch
    for headers in (powershell, node, {"User_Agent": "curl/8.5.0"}):
        assert (await ask("HEAD", "/topic/mine", **headers))[0] == 404
        assert (await ask(*CHANGE, **headers))[0] == 400


async def test_with_a_token_or_a_star_the_headers_of_browsers_mean_nothing(ask):
    for settings in ({"token": TOKEN}, {"cors_origins": ("*",)}):
        assert (await ask("HEAD", "/topic/mine", **fetched("cross-site"), settings=settings))[0] == 404
