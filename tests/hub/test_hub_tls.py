"""A Hub that serves https: its certificate, those of its clients, and what its Sequences see of it."""

import asyncio
import shutil
import ssl
from datetime import datetime, timezone

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from transform_hub.client import TLS, HostClient
from transform_hub.errors import HubConnectionError, HubStartError
from transform_hub.hub.access.tls import TLSConfig
from transform_hub.hub.server import serve

ASKS_THE_HUB = """
async def run(context, input):
    return [(await context.hub.get_version()).api_version]
"""
NODE = """
module.exports = async function (input) {
  return [(await this.hub.getVersion()).apiVersion];
};
"""


@pytest.fixture
def files(tmp_path):
    """Files of an authority, the Hub and a client."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    hub = authority.issue_cert("127.0.0.1", "localhost")
    hub.private_key_and_cert_chain_pem.write_to_path(tmp_path / "hub.pem")
    hub.private_key_pem.write_to_path(tmp_path / "key.pem")
    hub.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return tmp_path


async def test_the_hub_serves_https(files):
    tls = TLSConfig(certificate=files / "certificate.pem", key=files / "key.pem")
    async with serve(tls=tls) as hub:
        assert hub.url.startswith("https://127.0.0.1:")
        async with HostClient(hub.url, tls=TLS(ca_file=files / "ca.pem")) as host:
            assert (await host.get_version()).api_version == "v1"
        async with HostClient(hub.url.replace("https", "http"), timeout=5) as host:
            with pytest.raises(HubConnectionError):
                await host.get_version()


async def test_old_versions_of_tls_are_refused(files):
    async with serve(tls=TLSConfig(certificate=files / "hub.pem")) as hub:
        context = ssl.create_default_context(cafile=files / "ca.pem")
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="deprecated"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", hub.port, ssl=context)


async def test_clients_have_to_show_a_certificate_where_it_is_asked_for(files):
    tls = TLSConfig(certificate=files / "hub.pem", client_ca=files / "ca.pem")
    async with serve(tls=tls) as hub:
        own = TLS(ca_file=files / "ca.pem", certificate=files / "client.pem")
        async with HostClient(hub.url, tls=own) as host:
            assert (await host.get_version()).api_version == "v1"
        async with HostClient(hub.url, tls=TLS(ca_file=files / "ca.pem"), timeout=5) as host:
            with pytest.raises(HubConnectionError):
                await host.get_version()


@pytest.mark.parametrize(
    ("files_of_sequence", "fields"),
    [
        ({"main.py": ASKS_THE_HUB}, {}),
        pytest.param(
            {"main.js": NODE},
            {"main": "main.js", "engines": {"node": ">=18"}},
            marks=pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
        ),
    ],
)
async def test_sequences_reach_the_hub_without_a_certificate(files, package, files_of_sequence, fields):
    tls = TLSConfig(certificate=files / "hub.pem", client_ca=files / "ca.pem")
    async with serve(tls=tls, token="token-0123456789abcdef") as hub:
        own = TLS(ca_file=files / "ca.pem", certificate=files / "client.pem")
        async with HostClient(hub.url, tls=own, token="token-0123456789abcdef") as host:
            done = await host.run(package(files=files_of_sequence, **fields), timeout=30)
            assert done.output.strip(b'"\n') == b"v1", done.stderr


async def test_a_new_certificate_is_taken_on_demand(files):
    async def serial(hub):
        context = ssl.create_default_context(cafile=files / "ca.pem")
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=context)
        number = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        await writer.wait_closed()
        return number

    authority = trustme.CA()
    both = (files / "ca.pem").read_bytes() + authority.cert_pem.bytes()
    (files / "ca.pem").write_bytes(both)
    async with serve(tls=TLSConfig(certificate=files / "hub.pem")) as hub:
        first = await serial(hub)
        (files / "hub.pem").write_text("broken")
        hub.reload()
        assert await serial(hub) == first
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(files / "hub.pem")
        hub.reload()
        assert await serial(hub) != first


@pytest.mark.parametrize("broken", ["hub.pem", "tokens"])
async def test_a_file_that_is_not_right_does_not_keep_the_other_from_being_read(files, broken, caplog):
    (files / "tokens").write_text("old:full:old-token-0123456789\n")
    async with serve(tls=TLSConfig(certificate=files / "hub.pem"), token_file=files / "tokens") as hub:
        certificate = trustme.CA().issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(files / "hub.pem")
        (files / "tokens").write_text("new:full:new-token-0123456789\n")
        (files / broken).write_text("bro:ken")
        hub.reload()
        given = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", hub.port))
        is_new = given.encode() == certificate.cert_chain_pems[0].bytes()
        known = [hub.auth.identify(f"Bearer {age}-token-0123456789") is not None for age in ("old", "new")]
    assert (is_new, known) == ((False, [False, True]) if broken == "hub.pem" else (True, [True, False]))
    assert [record.levelname for record in caplog.records if "stay as they were" in record.message] == ["ERROR"]


@pytest.mark.parametrize(
    ("certificate", "key", "client_ca", "said"),
    [
        ("none.pem", None, None, "can't be read"),
        ("certificate.pem", None, None, "certificate.pem holds no key in PEM form"),
        ("key.pem", None, None, "key.pem holds no certificate in PEM form"),
        ("junk", None, None, "junk holds no certificate in PEM form"),
        ("empty", "key.pem", None, "empty holds no certificate in PEM form"),
        ("cut.pem", "key.pem", None, "cut.pem holds no certificate in PEM form, or a damaged one"),
        ("certificate.pem", "junk", None, "junk holds no key in PEM form"),
        (
            "certificate.pem",
            "other.pem",
            None,
            "The key in .*other.pem is not that of the certificate in .*certificate",
        ),
        ("certificate.pem", "locked.pem", None, "The key in .*locked.pem has a password"),
        (".", None, None, "can't be read: Is a directory"),
        ("certificate.pem", "none.pem", None, "can't be read"),
        ("hub.pem", None, "none.pem", "can't be read"),
        ("hub.pem", None, "key.pem", "holds no certificates"),
    ],
)
async def test_files_that_are_not_right_are_told(files, certificate, key, client_ca, said):
    (files / "junk").write_bytes(b"\xff\x00" * 1000)
    (files / "empty").write_bytes(b"")
    (files / "cut.pem").write_bytes((files / "certificate.pem").read_bytes()[:300] + b"\n-----END CERTIFICATE-----\n")
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(files / "other.pem")
    key_of = serialization.load_pem_private_key((files / "key.pem").read_bytes(), None)
    (files / "locked.pem").write_bytes(
        key_of.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    tls = TLSConfig(certificate=files / certificate, key=key and files / key, client_ca=client_ca and files / client_ca)
    with pytest.raises(HubStartError, match=said):
        async with serve(tls=tls):
            pass


@pytest.mark.parametrize(
    ("times", "of_hub", "of_client"),
    [
        (
            {"not_after": datetime(2020, 1, 1, tzinfo=timezone.utc)},
            "hub.pem expired on Jan  1 00:00:00 2020 GMT",
            "has expired",
        ),
        (
            {"not_before": datetime(2900, 1, 1, tzinfo=timezone.utc)},
            "hub.pem is not valid before Jan  1 00:00:00 2900 GMT",
            "not yet valid",
        ),
    ],
)
async def test_a_certificate_out_of_its_time_is_told_by_hub_and_client(files, times, of_hub, of_client, caplog):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(files / "ca.pem")
    authority.issue_cert("127.0.0.1", **times).private_key_and_cert_chain_pem.write_to_path(files / "hub.pem")
    async with serve(tls=TLSConfig(certificate=files / "hub.pem")) as hub:
        (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert of_hub in warning
        caplog.clear()
        hub.reload()
        assert of_hub in caplog.text
        async with HostClient(hub.url, tls=TLS(ca_file=files / "ca.pem")) as host:
            with pytest.raises(HubConnectionError, match=of_client) as raised:
                await host.get_version()
        assert "ca_file" not in raised.value.hint


async def test_a_certificate_in_its_time_is_no_warning(files, caplog):
    async with serve(tls=TLSConfig(certificate=files / "hub.pem")):
        assert not [record for record in caplog.records if record.levelname == "WARNING"]


async def test_a_client_says_which_certificate_it_does_not_trust(files):
    trustme.CA().cert_pem.write_to_path(files / "other.pem")
    trusting = TLS(ca_file=files / "other.pem")
    async with serve(tls=TLSConfig(certificate=files / "hub.pem")) as hub, HostClient(hub.url, tls=trusting) as host:
        with pytest.raises(HubConnectionError, match="unable to get local issuer certificate") as raised:
            await host.get_version()
    assert "ca_file" in raised.value.hint
