"""Who may use the API, and for what.

    Authorization: Bearer <token>

    a token of the Hub              what its scope allows: ``full``, or ``read-only``, which changes nothing
    <id>:<secret> of an Instance    everything, while that Instance runs (``context.hub``)
    none, if the Hub has no tokens  everything

Tokens come from a file or the environment, one a line:

    # name:scope:token, or a token alone: its name is "token", its scope full
    ci:full:4f0c9e1b...
    dashboard:read-only:sha256:9b74c9897b...

What follows ``sha256:`` is the SHA-256 of the token in hex, so that the file itself opens nothing. The Hub keeps only
digests. It compares all of them each time, so that the time of an answer tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from transform_hub.errors import HubStartError
from transform_hub.models import ENDED

if TYPE_CHECKING:
    from transform_hub.hub.instances.instance import Instance

log = logging.getLogger(__name__)

SHORT = 16
"""Letters below which a token can be guessed."""

NAMELESS = "token"
"""Name of a token that has none of its own."""

_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Scope(Enum):
    """What a token allows, and what a route needs."""

    READ = "read-only"
    FULL = "full"

    def covers(self, needed: Scope) -> bool:
        """Whether this scope is enough."""
        return self is Scope.FULL or needed is Scope.READ


class Token(NamedTuple):
    """A token, known by its digest alone."""

    name: str
    scope: Scope
    digest: bytes

    @classmethod
    def of(cls, secret: str, name: str = NAMELESS, scope: Scope = Scope.FULL) -> Token:
        """The token of a secret."""
        return cls(name, scope, _digest(secret))


class Caller(NamedTuple):
    """Who sends a request; the name is None on a Hub without tokens."""

    name: str | None
    scope: Scope


ANYBODY = Caller(None, Scope.FULL)


class Authentication:
    """Tells who sends a request.

    Args:
        tokens: that are always valid.
        token_file: has more of them, see :meth:`load`.
        find_instance: gives the Instance of an id, None if there is none.

    Attributes:
        is_required: whether requests need a token.
    """

    def __init__(
        self,
        tokens: tuple[Token, ...] = (),
        token_file: Path | None = None,
        *,
        find_instance: Callable[[str], Instance | None],
    ) -> None:
        self.is_required = bool(tokens) or token_file is not None
        self._fixed = self._tokens = tokens
        self._file = token_file
        self._find_instance = find_instance

    def load(self) -> None:
        """Read the token file (again), if there is one; a file that fails to parse keeps the tokens there were.

        Raises:
            HubStartError: it can't be read, or a line is not a token.
        """
        if self._file is not None:
            self._tokens = (*self._fixed, *read_tokens(self._file))

    def identify(self, authorization: str) -> Caller | None:
        """Who sends a request with this ``Authorization`` header; None if it is nobody who may."""
        if not self.is_required:
            return ANYBODY
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._token(given.strip()) or self._instance(given.strip())

    def _token(self, given: str) -> Caller | None:
        digest = _digest(given)
        same = [token for token in self._tokens if hmac.compare_digest(token.digest, digest)]
        return Caller(same[0].name, same[0].scope) if same else None

    def _instance(self, given: str) -> Caller | None:
        instance_id, _, secret = given.rpartition(":")
        instance = self._find_instance(instance_id)
        if instance is None or instance.status in ENDED:
            return None
        if not hmac.compare_digest(_digest(secret), _digest(instance.secret)):
            return None
        return Caller(f"instance {instance.id}", Scope.FULL)


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens in a file.

    Raises:
        HubStartError: it can't be read, a line is not a token, or there is none.
    """
    try:
        text = path.read_text("utf-8-sig")
        if path.stat().st_mode & 0o044:
            log.warning("Other users of this machine can read the tokens in %s: chmod 600 it", path)
    except UnicodeDecodeError:
        raise HubStartError(f"{path} is not text in UTF-8") from None
    except OSError as error:
        raise HubStartError(f"Can't read the tokens in {path}: {error.strerror}") from None
    return parse_tokens(text, str(path))


def parse_tokens(text: str, where: str) -> tuple[Token, ...]:
    """The tokens in a text.

    Args:
        text: one a line.
        where: the text comes from, for errors; these never quote the text.

    Raises:
        HubStartError: a line is not a token, a name is there twice, or there is no token.
    """
    tokens: dict[str, Token] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        token = _parse(line.strip(), f"{where}, line {number}")
        if token.name in tokens:
            raise HubStartError(f"{where}, line {number}: a token named {token.name!r} is there already")
        tokens[token.name] = token
    if not tokens:
        raise HubStartError(f"{where} is empty: it needs a token, or lines of name:scope:token")
    return tuple(tokens.values())


def _parse(line: str, where: str) -> Token:
    if ":" not in line:
        return Token.of(_checked(line, where))
    name, _, rest = line.partition(":")
    scope, _, secret = rest.partition(":")
    if not _NAME.fullmatch(name) or scope not in {each.value for each in Scope}:
        raise HubStartError(f"{where} is not name:scope:token with scope full or read-only, nor a token without ':'")
    kind, _, digest = secret.partition(":")
    if kind == "sha256":
        if not _DIGEST.fullmatch(digest):
            raise HubStartError(f"{where}: what follows sha256: is not the 64 hex digits of a SHA-256")
        return Token(name, Scope(scope), bytes.fromhex(digest))
    return Token.of(_checked(secret, where), name, Scope(scope))


def _checked(secret: str, where: str) -> str:
    if not secret or not secret.isprintable() or " " in secret:
        raise HubStartError(f"{where}: a token is letters, digits and signs, without spaces")
    if len(secret) < SHORT:
        log.warning("%s: a token of less than %d letters can be guessed", where, SHORT)
    return secret


def _digest(secret: str) -> bytes:
    # Headers may hold any bytes.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
