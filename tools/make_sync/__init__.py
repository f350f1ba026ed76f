"""Generates the modules of ``transform_hub.sync``, one for each module of async clients: ``make sync``.

A sync class mirrors an async one (see ``transform_hub/sync/mirror.py``) with its signatures and docstrings:

    coroutine                   runs in the portal
    function                    called as it is if it makes clients or streams, else in the portal
    function that iterates      copied: what it calls, ``_decoded``, is in ``mirror.py``
    property, attribute         a property
    __aenter__, __aexit__       __enter__, __exit__
    __await__                   open()

Clients and streams in results are mirrored; arguments that run or block (data, tokens, callbacks) go through
``transform_hub/sync/handover.py``. Anything that these rules do not cover stops the generator.
"""

from make_sync.modules import sources

__all__ = ["sources"]
