"""TLS of the Hub: its certificate, and those it asks of clients."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

from transform_hub.errors import HubStartError


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
                files = f"{certificate} and {key}" if key else str(certificate)
                why = error.reason or "the key has a password"
                raise HubStartError(f"{files} hold no certificate with its key, in PEM form: {why}") from None
            except OSError as error:
                files = f"{certificate} or {key}" if key else str(certificate)
                raise HubStartError(f"{files} can't be read: {error.strerror}") from None

    def _ask_clients(self, authorities: Path) -> None:
        try:
            self.context.load_verify_locations(authorities)
        except ssl.SSLError as error:
            raise HubStartError(f"{authorities} holds no certificates in PEM form: {error.reason}") from None
        except OSError as error:
            raise HubStartError(f"{authorities} can't be read: {error.strerror}") from None
        self.context.verify_mode = ssl.CERT_REQUIRED
