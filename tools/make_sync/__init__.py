"""Writes the modules of ``transform_hub.sync``, one for each module of async clients: ``make sync``.

A sync class stands for an async one (see ``transform_hub/sync/mirror.py``), and has its signatures and docstrings:

    coroutine                   runs in the portal
    function                    called as it is if it makes clients or streams, else in the portal
    async generator             the same code without async and await: lines are cut in the caller's thread
    property, attribute         a property
    __aenter__, __aexit__       __enter__, __exit__
    __await__                   open()

Clients and streams in results are mirrored; what a user hands over (data, tokens, callbacks) goes through
``transform_hub/sync/handover.py``. Anything that these rules do not cover stops the generator.
"""

from make_sync.modules import sources

__all__ = ["sources"]
