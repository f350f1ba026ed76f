"""Profiles: the files that say which Hub is talked to, of the form that STH's ``si`` has.

    ~/.si/si-config.json           {"profile": "default"}: the active profile
    ~/.si/profiles/<name>.json     apiUrl, middlewareApiUrl, env, scope, token, log {debug, format}

Keys that are not known here are kept when a file is written.

Which profile holds: the one that is asked for, as a file or by its name; else the variables ``SI_CONFIG_PATH`` and
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
