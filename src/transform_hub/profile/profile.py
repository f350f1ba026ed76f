"""A profile with its values, and the connection that it amounts to."""

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
    """A profile file; what is not in it has its default.

    Args:
        path: of the file, which need not be there.

    Raises:
        ProfileError: it is not a profile.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own: dict[str, Any] = read(path)
        check(self._own, where=f"{path}: ")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    @classmethod
    def load(cls, name: str | None = None, *, path: Path | None = None) -> Profile:
        """Read the profile that holds.

        Args:
            name: of the profile that is asked for.
            path: of the file that is asked for.

        Raises:
            ProfileError: it is not there, or not a profile.
        """
        return cls(locate(name, path=path))

    @property
    def name(self) -> str:
        """Its name, which is that of its file."""
        return self.path.stem

    @property
    def values(self) -> dict[str, Any]:
        """All values, those of the file before the defaults."""
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
        """URL of the API of a Hub: in production that of a Hub of the platform.

        Args:
            space: id of the Space that the Hub belongs to.
            hub: id of the Hub.

        Raises:
            ProfileError: it is a platform's, and Space, Hub or the platform's URL are missing.
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
            ProfileValueError: a value is not possible; nothing is written.
            ProfileError: the file can't be written.
        """
        check_for_writing(values)
        log = {**self.values["log"], **values.get("log", {})}
        write(self.path, {**self.values, **values, "log": log})
        self._own = read(self.path)

    def reset(self, key: str) -> None:
        """Give one key its default, and write the file."""
        self.update({key: copy.deepcopy(DEFAULTS[key])})


@dataclass(frozen=True)
class Connection:
    """Where a Hub is, and what it accepts.

    Attributes:
        url: of its API.
        token: may be empty.
    """

    url: str
    token: str = field(default="", repr=False)

    @classmethod
    def find(cls, name: str | None = None, *, path: Path | None = None) -> Connection:
        """What the environment says, or else the profile that holds.

        The variables ``SCRAMJET_HUB_URL`` and ``SCRAMJET_TOKEN`` go before a profile that is not asked for. A
        profile's token is not sent anywhere but to the profile's URL.

        Args:
            name: of the profile that is asked for.
            path: of the profile file that is asked for.

        Raises:
            ProfileError: the profile is not there, is none, or lacks what is needed.
        """
        is_asked_for = name is not None or path is not None
        url, token = ("", "") if is_asked_for else (variable("SCRAMJET_HUB_URL"), variable("SCRAMJET_TOKEN"))
        if url:
            return cls(url, token)
        profile = Profile.load(name, path=path)
        url = profile.hub_url(variable("SCRAMJET_SPACE"), variable("SCRAMJET_HUB"))
        return cls(url, token or profile.token)
