"""Who may use the API, and for what.

    Authorization: Bearer <token>

    a token of the Hub              what its scope says: ``full``, or ``read-only``, which may look and change nothing
    <id>:<secret> of an Instance    everything, while that Instance runs (``context.hub``)
    none, if the Hub has no tokens  everything

Tokens stand in a file, or in the environment, one a line:

    # name:scope:token, or a token alone, which is named "token" and may do everything
    ci:full:4f0c9e1b...
    dashboard:read-only:sha256:9b74c9897b...

What follows ``sha256:`` is the SHA-256 of the token in hex, so that the file itself opens nothing. Here there are only
digests; all of them are compared each time, so that the time an answer takes tells nothing.
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
    from transform_hub.hub.config import HubConfig
    from transform_hub.hub.instances.instance import Instance

log = logging.getLogger(__name__)

SHORT = 16
"""Letters below which a token can be guessed."""

_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Scope(Enum):
    """What a token may do, and what a route asks for."""

    READ = "read-only"
    FULL = "full"

    def covers(self, needed: Scope) -> bool:
        """Whether this is enough for what is needed."""
        return self is Scope.FULL or needed is Scope.READ


class Token(NamedTuple):
    """A token that is known by its digest alone."""

    name: str
    scope: Scope
    digest: bytes


class Caller(NamedTuple):
    """Who sends a request; the name is None on a Hub that asks nobody."""

    name: str | None
    scope: Scope


ANYBODY = Caller(None, Scope.FULL)


class Authentication:
    """Knows who may use the API.

    Args:
        config: has the tokens, or their file.
        find_instance: gives the Instance of an id, None if there is none.
    """

    def __init__(self, config: HubConfig, find_instance: Callable[[str], Instance | None]) -> None:
        self._config = config
        self._find_instance = find_instance
        self._tokens: tuple[Token, ...] = ()

    def load(self) -> None:
        """Take the tokens of the configuration, and read their file (again); if that fails nothing changes.

        Raises:
            HubStartError: the file can't be read, or is not right.
        """
        tokens = self._config.tokens
        if self._config.token is not None:
            tokens = (*tokens, Token("token", Scope.FULL, _digest(self._config.token)))
        if self._config.token_file is not None:
            tokens = (*tokens, *read_tokens(self._config.token_file))
        self._tokens = tokens

    def identify(self, authorization: str) -> Caller | None:
        """Who has sent a request with this ``Authorization`` header; None if that is nobody who may."""
        if not self._config.asks_for_token:
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
        """An Instance that runs: its Sequence may use the API while it does."""
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
        HubStartError: it can't be read, has a line that is none, or has none.
    """
    try:
        text = path.read_text("utf-8-sig")
        if path.stat().st_mode & 0o044:
            log.warning("Other users of this machine can read the tokens in %s: chmod 600 it", path)
    except UnicodeDecodeError:
        raise HubStartError(f"{path} is not text in UTF-8") from None
    except OSError as error:
        raise HubStartError(f"The tokens in {path} can't be read: {error.strerror}") from None
    return parse_tokens(text, str(path))


def parse_tokens(text: str, where: str) -> tuple[Token, ...]:
    """The tokens in a text.

    Args:
        text: one a line.
        where: it comes from, for errors; these never have any of the text in them.

    Raises:
        HubStartError: a line is no token, a name is there twice, or there is none at all.
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
        raise HubStartError(f"{where} is empty: it should have a token, or lines of name:scope:token")
    return tuple(tokens.values())


def _parse(line: str, where: str) -> Token:
    if ":" not in line:
        return Token("token", Scope.FULL, _checked(line, where))
    name, _, rest = line.partition(":")
    scope, _, secret = rest.partition(":")
    if not _NAME.fullmatch(name) or scope not in {each.value for each in Scope}:
        raise HubStartError(f"{where} is not name:scope:token with scope full or read-only, nor a token without ':'")
    kind, _, digest = secret.partition(":")
    if kind == "sha256":
        if not _DIGEST.fullmatch(digest):
            raise HubStartError(f"{where}: what follows sha256: is not the 64 hex digits of a SHA-256")
        return Token(name, Scope(scope), bytes.fromhex(digest))
    return Token(name, Scope(scope), _checked(secret, where))


def _checked(secret: str, where: str) -> bytes:
    if not secret or not secret.isprintable() or " " in secret:
        raise HubStartError(f"{where}: a token is letters, digits and signs, without spaces")
    if len(secret) < SHORT:
        log.warning("%s: a token of less than %d letters can be guessed", where, SHORT)
    return _digest(secret)


def _digest(secret: str) -> bytes:
    """Of a token; headers may hold any bytes."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
