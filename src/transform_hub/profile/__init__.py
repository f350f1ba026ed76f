"""Profiles: files that say which Hub to use, in the format of STH's ``si``.

    ~/.si/si-config.json           {"profile": "default"}: the active profile
    ~/.si/profiles/<name>.json     apiUrl, middlewareApiUrl, env, scope, token, log {debug, format}

Unknown keys are kept when a file is written.

The profile in use is the one that is named, by file or name; else that of the variables ``SI_CONFIG_PATH`` or
``SI_CONFIG``; else the active one.
"""

from transform_hub.profile.files import DEFAULT, activate, active_name, create, folder, locate, names, path_of, remove
from transform_hub.profile.profile import Connection, Profile
from transform_hub.profile.values import DEFAULTS, ENVIRONMENTS, FORMATS, is_jwt

__all__ = [
    "DEFAULT",
    "DEFAULTS",
    "ENVIRONMENTS",
    "FORMATS",
    "Connection",
    "Profile",
    "activate",
    "active_name",
    "create",
    "folder",
    "is_jwt",
    "locate",
    "names",
    "path_of",
    "remove",
]
