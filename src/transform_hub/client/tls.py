"""TLS settings of a client."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from os import PathLike


@dataclass(frozen=True)
class TLS:
    """Settings of secure connections; without any, the system's certificate authorities are trusted.

    Args:
        ca_file: PEM file with the certificate authorities to trust instead of the system's.
        certificate: PEM file with the client's certificate, and those between it and its authority.
        key: PEM file with the certificate's key, if that is not in the same file.
        password: of the key.
        verify: check the Hub's certificate and name. Without that, anyone in between can read and change
            everything, tokens included.

    Example:
        >>> HostClient("https://hub.example/api/v1", tls=TLS(ca_file="own-ca.pem"))
    """

    ca_file: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None
    password: str | None = field(default=None, repr=False)
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            ValueError: settings exclude each other, or a file has the wrong content.
            OSError: a file can't be read.
        """
        if self.key is not None and self.certificate is None:
            raise ValueError("A key needs its certificate: TLS(certificate=..., key=...)")
        if self.ca_file is not None and not self.verify:
            raise ValueError("ca_file and verify=False exclude each other")
        context = _trusting(self.ca_file)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            _prove(context, self.certificate, self.key, self.password)
        return context


def _trusting(ca_file: str | PathLike[str] | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"{ca_file} has no certificates in PEM format: {error.reason}") from error
    except OSError as error:
        raise _named(error, ca_file) from error


def _prove(
    context: ssl.SSLContext,
    certificate: str | PathLike[str],
    key: str | PathLike[str] | None,
    password: str | None,
) -> None:
    try:
        # Without this function OpenSSL asks for the password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: password or "")
    except ssl.SSLError as error:
        where = f"{certificate}" if key is None else f"{certificate} and {key}"
        what = "have no certificate with its key, or the password is wrong"
        raise ValueError(f"{where} {what}: {error.reason}") from error
    except OSError as error:
        raise _named(error, f"{certificate} or {key}" if key else certificate) from error


def _named(error: OSError, path: object) -> OSError:
    """The error with the file name, which Python leaves out."""
    return type(error)(error.errno, error.strerror, str(path))
