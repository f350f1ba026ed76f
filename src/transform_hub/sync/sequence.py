"""A Sequence on a Hub, seen from outside.

Made by tools/make_sync of transform_hub.client.sequence: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transform_hub.client import sequence as native
from transform_hub.client.body import Progress, Sendable
from transform_hub.models import RestartPolicy, SequenceInfo
from transform_hub.sync.handover import progress_of, sendable
from transform_hub.sync.mirror import Mirror, mirror, original

if TYPE_CHECKING:
    from transform_hub.sync.host import HostClient
    from transform_hub.sync.instance import InstanceClient


class SequenceClient(Mirror, of=native.SequenceClient):
    """Talks to a Hub about one Sequence.

    Args:
        id: of the Sequence.
        host: the client of its Hub.
    """

    _async: native.SequenceClient

    def __init__(self, id: str, host: HostClient) -> None:
        self._stand_for(self._native_class(id, original(host)))

    @property
    def id(self) -> str:
        return self._async.id

    @property
    def host(self) -> HostClient:
        return mirror(self._async.host)

    def start(
        self,
        *,
        args: list[Any] | tuple[Any, ...] | None = None,
        app_config: dict[str, Any] | None = None,
        instance_id: str | None = None,
        input_topic: str | None = None,
        output_topic: str | None = None,
        limits: dict[str, Any] | None = None,
        restart: str | RestartPolicy | None = None,
    ) -> InstanceClient:
        """Start an Instance: ``POST /sequence/:id/start``.

        Args:
            args: positional arguments, after the input stream.
            app_config: becomes ``context.config`` in the Sequence.
            instance_id: 36 characters to use as id instead of a random one.
            input_topic: name to use for the topic that the Sequence requires.
            output_topic: name to use for the topic that the Sequence provides.
            limits: resource limits, e.g. ``{"memory": 512}`` (MB).
            restart: when the Hub is to run it again: ``never``, ``on-failure``, ``always``, the last two also with
                the restarts in a row after which it has ended, as in ``on-failure:5``; or a
                :class:`RestartPolicy`, which has the pauses, too. None is the Hub's own setting. STH ignores it.

        Returns:
            The Instance.

        Raises:
            BadRequestError: it could not be started.
            NotFoundError: there is no such Sequence.
            ConflictError: the id is taken.
            OverloadedError: the Hub has no room for it now.
            TypeError: args is no list, app_config no dict, or something in them can't be sent as JSON.
            ValueError: a number in them is one that JSON does not have, like NaN.
        """
        return mirror(
            self._run(
                self._async.start,
                args=args,
                app_config=app_config,
                instance_id=instance_id,
                input_topic=input_topic,
                output_topic=output_topic,
                limits=limits,
                restart=restart,
            )
        )

    def get_info(self) -> SequenceInfo:
        """Look at the Sequence: ``GET /sequence/:id``.

        Returns:
            What its package says, and the ids of its Instances.

        Raises:
            NotFoundError: it is not there.
        """
        return self._run(self._async.get_info)

    def list_instances(self) -> list[str]:
        """List the ids of its Instances: ``GET /sequence/:id/instances``.

        Returns:
            The ids.

        Raises:
            NotFoundError: the Sequence is not there.
        """
        return self._run(self._async.list_instances)

    def overwrite(self, source: str | Sendable, *, progress: Progress | None = None) -> None:
        """Replace what the Sequence is, and keep its id: ``PUT /sequence/:id``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or a tar.gz itself, as bytes, open
                file or iterable of chunks.
            progress: told after each piece how many bytes have been sent, and how many there are if that is
                known.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            NotFoundError: the Sequence is not there.
            ConflictError: it has Instances.
            UnprocessableError: the Hub refuses the package.
        """
        self._run(self._async.overwrite, sendable(source), progress=progress_of(progress))

    def delete(self, *, force: bool = False) -> None:
        """Delete the Sequence: ``DELETE /sequence/:id``.

        Args:
            force: kill its Instances first.

        Raises:
            NotFoundError: it is not there.
            ConflictError: it has Instances.
        """
        self._run(self._async.delete, force=force)
