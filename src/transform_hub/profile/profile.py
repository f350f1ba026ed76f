"""A profile, and the connection it describes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from transform_hub.errors import ProfileError
from transform_hub.profile.files import (
    locate,
    read,
    variable,
    write,
)
from transform_hub.profile.values import DEFAULTS, check, check_for_writing


class Profile:
    """A profile file; missing values have their defaults.

    Args:
        path: of the file, which need not exist.

    Raises:
        ProfileError: the file is not a profile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own: dict[str, Any] = read(path)
        check(self._own, where=f"{path}: ")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @classmethod
    def load(cls, name: str | None = None, *, path: Path | None = None) -> Profile:
        """Read the profile in use.

        Args:
            name: of a profile to use instead.
            path: of a file to use instead.

        Raises:
            ProfileError: there is no such profile, or the file is not a profile.
        """
        return cls(locate(name, path=path))

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.stem

    @property
    def values(self) -> dict[str, Any]:
        """All values: those of the file, else the defaults."""
        log = {**DEFAULTS["log"], **self._own.get("log", {})}
        return {**copy.deepcopy(DEFAULTS), **self._own, "log": log}

    @property
    def api_url(self) -> str:
        """URL of the Hub's API."""
        return str(self.values["apiUrl"])

    @property
    def middleware_api_url(self) -> str:
        """URL of the platform's API, with its version path; may be empty."""
        return str(self.values["middlewareApiUrl"])

    @property
    def token(self) -> str:
        """Sent to the Hub or the platform; may be empty."""
        return str(self.values["token"])

    @property
    def is_production(self) -> bool:
        """Whether the Hub is reached through a platform."""
        return bool(self.values["env"] == "production")

    def hub_url(self, space: str = "", hub: str = "") -> str:
        """URL of a Hub's API; in production that of a Hub of the platform.

        Args:
            space: id of the Space that the Hub belongs to.
            hub: id of the Hub.

        Raises:
            ProfileError: in production, Space, Hub or the platform's URL are missing.
        """
        if not self.is_production:
            return self.api_url
        if not self.middleware_api_url:
            raise ProfileError(f"profile {self.name!r} is for production, but has no middlewareApiUrl")
        if not (space and hub):
            raise ProfileError(
                f"profile {self.name!r} is for production: name the Space and the Hub with the variables "
                "SCRAMJET_SPACE and SCRAMJET_HUB"
            )
        base = self.middleware_api_url.rstrip("/")
        return f"{base}/space/{quote(space, safe='')}/api/v1/sth/{quote(hub, safe='')}/api/v1"

    def update(self, values: dict[str, Any]) -> None:
        """Set values, and write the file.

        Raises:
            ProfileValueError: a value is invalid; nothing is written.
            ProfileError: the file can't be written.
        """
        check_for_writing(values)
        log = {**self.values["log"], **values.get("log", {})}
        write(self.path, {**self.values, **values, "log": log})
        self._own = read(self.path)

    def reset(self, key: str) -> None:
        """Reset a key to its default, and write the file."""
        self.update({key: copy.deepcopy(DEFAULTS[key])})


@dataclass(frozen=True)
class Connection:
    """URL and token of a Hub.

    Attributes:
        url: of its API.
        token: may be empty.
    """

    url: str
    token: str = field(default="", repr=False)

    @classmethod
    def find(cls, name: str | None = None, *, path: Path | None = None) -> Connection:
        """The Hub that the environment names, else that of the profile in use.

        The variables ``SCRAMJET_HUB_URL`` and ``SCRAMJET_TOKEN`` override a profile, unless that is named here. A
        profile's token is sent only to the profile's URL.

        Args:
            name: of a profile to use instead.
            path: of a profile file to use instead.

        Raises:
            ProfileError: there is no such profile, it is invalid, or lacks a value.
        """
        is_named = name is not None or path is not None
        url, token = ("", "") if is_named else (variable("SCRAMJET_HUB_URL"), variable("SCRAMJET_TOKEN"))
        if url:
            return cls(url, token)
        profile = Profile.load(name, path=path)
        url = profile.hub_url(variable("SCRAMJET_SPACE"), variable("SCRAMJET_HUB"))
        return cls(url, token or profile.token)
