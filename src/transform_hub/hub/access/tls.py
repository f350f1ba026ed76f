"""TLS of the Hub: its certificate, and those it asks of clients."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import ssl
import time
from pathlib import Path
from typing import Any

from transform_hub.errors import HubStartError

log = logging.getLogger(__name__)

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module does not name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TLSConfig:
    """The files with which a Hub proves who it is, and checks its clients.

    Attributes:
        certificate: PEM file with the Hub's certificate and the intermediate ones.
        key: PEM file with its key, without a password; None if it is in the same file.
        client_ca: PEM file with the authorities of clients' certificates; with it clients need a certificate.
    """

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None


class ServerTLS:
    """The SSL context of the Hub: TLS 1.2 or later.

    Raises:
        HubStartError: a file can't be read, or does not hold what it should.
    """

    def __init__(self, config: TLSConfig) -> None:
        self._config = config
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.load()
        if config.client_ca is not None:
            self._ask_clients(config.client_ca)

    def load(self) -> None:
        """Read certificate and key (again); open connections keep the old ones.

        Raises:
            HubStartError: they can't be read, or don't belong together; nothing has changed then.
        """
        certificate, key = self._config.certificate, self._config.key
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):  # a trial first: it may fail halfway
            try:
                # Without a function OpenSSL would ask for a password on the terminal.
                context.load_cert_chain(certificate, key, password=lambda: "")
            except ssl.SSLError as error:
                raise HubStartError(_why_not(certificate, key, error)) from None
            except OSError as error:
                files = f"{certificate} or {key}" if key else str(certificate)
                raise HubStartError(f"{files} can't be read: {error.strerror}") from None
        _warn_of_times(certificate, _shown_to_clients(self.context, certificate))

    def _ask_clients(self, authorities: Path) -> None:
        try:
            self.context.load_verify_locations(authorities)
        except ssl.SSLError as error:
            raise HubStartError(f"{authorities} holds no certificates in PEM form: {error.reason}") from None
        except OSError as error:
            raise HubStartError(f"{authorities} can't be read: {error.strerror}") from None
        self.context.verify_mode = ssl.CERT_REQUIRED


def _why_not(certificate: Path, key: Path | None, error: ssl.SSLError) -> str:
    """In words what OpenSSL says in one, or not at all."""
    of_key = certificate if key is None else key
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"The key in {of_key} is not that of the certificate in {certificate}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError:
        return f"{certificate} holds no certificate in PEM form, or a damaged one"
    content = of_key.read_bytes()
    if b"ENCRYPTED" in content:
        return f"The key in {of_key} has a password: write it without one, as `openssl pkey` does"
    if b" PRIVATE KEY-----" not in content:
        return f"{of_key} holds no key in PEM form"
    return f"The key in {of_key} is damaged, or not of a kind that TLS takes: {error}"


def _shown_to_clients(context: ssl.SSLContext, certificate: Path) -> dict[str, Any]:
    """What is in the certificate; found out by a handshake in memory, as the ssl module reads none from a file."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLError):  # such as one that is not for servers: clients tell
        asking.load_verify_locations(certificate)
        client, hub = asking.wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)
        for side in (client, hub) * 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
        return client.getpeercert() or {}
    return {}


def _warn_of_times(certificate: Path, shown: dict[str, Any]) -> None:
    if (end := shown.get("notAfter")) and ssl.cert_time_to_seconds(end) < time.time():
        log.warning("The certificate in %s expired on %s: clients refuse it", certificate, end)
    elif (begin := shown.get("notBefore")) and ssl.cert_time_to_seconds(begin) > time.time():
        log.warning("The certificate in %s is not valid before %s: until then clients refuse it", certificate, begin)
