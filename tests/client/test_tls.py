"""Secure connections: whom a client trusts, how it proves itself, and what it says when that fails."""

import ssl

import pytest
import trustme
from aiohttp import web
from faulty import serving

from transform_hub import errors
from transform_hub.client import TLS, HostClient

VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1"}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def files(authority, tmp_path):
    """Paths: the authority's certificate, and a client's certificate and key, apart and in one file."""
    client = authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    client.private_key_pem.write_to_path(tmp_path / "key.pem")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    return tmp_path


@pytest.fixture
async def secure(authority):
    """A server that tells whose certificate it was shown."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL

    async def version(request):
        shown = request.transport.get_extra_info("peercert")
        return web.json_response({**VERSION, "build": shown["subjectAltName"][0][1] if shown else "nobody"})

    async with serving(("GET", "/version", version), ssl_context=context) as server:
        yield server


async def test_an_authority_of_ones_own(secure, files):
    async with HostClient(secure.url, tls=TLS(ca_file=files / "ca.pem")) as host:
        assert (await host.get_version()).build == "nobody"


async def test_an_authority_that_is_not_trusted(secure):
    async with HostClient(secure.url) as host:
        with pytest.raises(errors.HubConnectionError, match=r"No secure connection to .*: self-signed") as raised:
            await host.get_version()
    assert raised.value.hint == "check the certificate; tls=TLS(ca_file=...) names an authority to trust"
    assert secure.requests == []


async def test_the_wrong_scheme(secure):
    async with serving() as plain, HostClient(plain.url.replace("http:", "https:")) as host:
        with pytest.raises(errors.HubConnectionError, match="the server there does not use TLS") as raised:
            await host.get_version()
    assert raised.value.hint == "write http instead of https"
    async with HostClient(secure.url.replace("https:", "http:")) as host:
        with pytest.raises(errors.HubConnectionError, match="it may want https"):
            await host.get_version()


async def test_a_server_that_wants_a_certificate(authority, files):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    tls = TLS(ca_file=files / "ca.pem")
    async with serving(ssl_context=context) as server, HostClient(server.url, tls=tls) as host:
        with pytest.raises(errors.HubConnectionError, match="it may want a certificate of the client"):
            await host.get_version()


async def test_a_name_that_is_not_the_servers(secure, files):
    async with HostClient(secure.url.replace("127.0.0.1", "localhost"), tls=TLS(ca_file=files / "ca.pem")) as host:
        with pytest.raises(errors.HubConnectionError, match="No secure connection to"):
            await host.get_version()


async def test_without_verification(secure):
    async with HostClient(secure.url, tls=TLS(verify=False)) as host:
        assert (await host.get_version()).build == "nobody"


@pytest.mark.parametrize("parts", [("certificate.pem", "key.pem"), ("both.pem", None)])
async def test_a_client_with_a_certificate(secure, files, parts):
    certificate, key = parts
    tls = TLS(ca_file=files / "ca.pem", certificate=files / certificate, key=key and files / key)
    async with HostClient(secure.url, tls=tls) as host:
        assert (await host.get_version()).build == "client@example.org"


async def test_a_context_of_ones_own(secure, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with HostClient(secure.url, tls=context) as host:
        assert (await host.get_version()).api_version == "v1"


async def test_streams_are_secure_too(secure, files):
    async with HostClient(secure.url, tls=TLS(ca_file=files / "ca.pem")) as host:
        with pytest.raises(errors.NotFoundError):
            await host.instance("x").send_input("text")
        with pytest.raises(errors.NotFoundError):
            await host.get_log()


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ({"ca_file": "none.pem"}, FileNotFoundError, r"none\.pem"),
        ({"ca_file": "key.pem"}, ValueError, r"key\.pem has no certificates"),
        ({"certificate": "none.pem"}, FileNotFoundError, r"none\.pem"),
        ({"certificate": "certificate.pem"}, ValueError, r"certificate\.pem have no certificate with its key"),
        ({"certificate": "certificate.pem", "key": "ca.pem"}, ValueError, "have no certificate with its key"),
        ({"key": "key.pem"}, ValueError, "A key needs its certificate"),
    ],
)
def test_settings_that_can_not_be(files, names, error, message):
    with pytest.raises(error, match=message):
        HostClient("https://h", tls=TLS(**{name: files / file for name, file in names.items()}))


def test_a_key_with_a_password(files, authority):
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key((files / "key.pem").read_bytes(), None)
    locked = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"s3cret"))
    (files / "locked.pem").write_bytes(locked)
    parts = {"certificate": files / "certificate.pem", "key": files / "locked.pem"}
    assert TLS(**parts, password="s3cret").context()
    for wrong in ("else", None):
        with pytest.raises(ValueError, match="or the password is wrong"):
            TLS(**parts, password=wrong).context()
    assert "s3cret" not in repr(TLS(**parts, password="s3cret"))


def test_contradictions():
    with pytest.raises(ValueError, match="verify=False"):
        TLS(ca_file="ca.pem", verify=False).context()
