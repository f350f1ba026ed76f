"""What a Sequence needs to run, by ``engines`` in its package.json, and whether a Hub has it.

``engines`` names one engine and a range of its versions, see :mod:`transform_hub.package.version_range`.
Without engines the extension of ``main`` decides: ``.py`` is Python, all else is run by Node.js.
"""

from __future__ import annotations

from collections.abc import Mapping

from transform_hub.hub.errors import ApiError
from transform_hub.models import SequenceConfig
from transform_hub.package.version_range import is_in_range

PRODUCTS = {"python3": "Python", "node": "Node.js"}
INSTALL = {"python3": "install it there", "node": "install Node.js 18 or later, so that `node` is on the Hub's PATH"}
_BY_LANGUAGE = {"py": "python3", "js": "node", "mjs": "node", "cjs": "node", "unknown": "node"}
_NOT_ENGINES = frozenset({"npm", "yarn", "pnpm"})  # they install packages, and run none


def engine_of(config: SequenceConfig) -> str:
    """The engine that runs a Sequence: ``python3`` or ``node``.

    Raises:
        ApiError: it names more than one, or one that no Hub has.
    """
    if len(config.engines) > 1:
        raise ApiError(
            400, "Incorrect config passed to SequenceConfig,'engines' field can't contain more than one element"
        )
    for engine in config.engines:
        if engine in PRODUCTS:
            return engine
        if engine not in _NOT_ENGINES:
            raise ApiError(400, f"This Sequence needs {engine!r}; Hubs run {' and '.join(PRODUCTS)} Sequences")
    if config.language not in _BY_LANGUAGE:
        raise ApiError(
            400, f"{config.entrypoint_path} is not a program for Python or Node.js: compile it, or name its engine"
        )
    return _BY_LANGUAGE[config.language]


def require_engine(config: SequenceConfig, available: Mapping[str, str]) -> str:
    """The engine of a Sequence, which this Hub has in the right version.

    Args:
        config: the Sequence's.
        available: the versions of the engines that the Hub has, e.g. ``{"python3": "3.11.7"}``.

    Raises:
        ApiError: it does not have it.
    """
    engine = engine_of(config)
    wanted = config.engines.get(engine, "*")
    product = PRODUCTS[engine]
    if engine not in available:
        raise ApiError(400, f"This Sequence needs {product}, which this Hub does not have: {INSTALL[engine]}")
    try:
        served = is_in_range(available[engine], wanted)
    except ValueError:
        raise ApiError(400, f"engines.{engine} of this Sequence is no range of versions: {wanted!r}") from None
    if not served:
        raise ApiError(400, f"This Sequence needs {product} {wanted}; this Hub has {available[engine]}")
    return engine
