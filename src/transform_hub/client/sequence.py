"""A Sequence on a Hub, seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from transform_hub.client.address import sequence_path
from transform_hub.client.body import Progress, Sendable
from transform_hub.client.delivery import deliver
from transform_hub.client.json_value import json_value
from transform_hub.models import InstanceStarted, RestartPolicy, SequenceCreated, SequenceInfo, StartRequest

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient

T = TypeVar("T")


class SequenceClient:
    """Talks to a Hub about one Sequence.

    Args:
        id: of the Sequence.
        host: the client of its Hub.
    """

    def __init__(self, id: str, host: HostClient) -> None:
        self._path = sequence_path(id)
        self.id = id
        self.host = host

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.host!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SequenceClient):
            return NotImplemented
        return (self.id, self.host.url) == (other.id, other.host.url)

    def __hash__(self) -> int:
        return hash((SequenceClient, self.id, self.host.url))

    async def start(
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
        request = start_request(
            args=args,
            app_config=app_config,
            instance_id=instance_id,
            input_topic=input_topic,
            output_topic=output_topic,
            limits=limits,
            restart=restart,
        )
        started = await self._start(request, InstanceStarted)
        return self.host.instance(started.id)

    async def get_info(self) -> SequenceInfo:
        """Look at the Sequence: ``GET /sequence/:id``.

        Returns:
            What its package says, and the ids of its Instances.

        Raises:
            NotFoundError: it is not there.
        """
        return await self._call("GET", self._path, SequenceInfo)

    async def list_instances(self) -> list[str]:
        """List the ids of its Instances: ``GET /sequence/:id/instances``.

        Returns:
            The ids.

        Raises:
            NotFoundError: the Sequence is not there.
        """
        return await self._call("GET", f"{self._path}/instances", list[str])

    async def overwrite(self, source: str | Sendable, *, progress: Progress | None = None) -> None:
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
        await deliver(self.host.transport, "PUT", self._path, source, SequenceCreated, progress=progress)

    async def delete(self, *, force: bool = False) -> None:
        """Delete the Sequence: ``DELETE /sequence/:id``.

        Args:
            force: kill its Instances first.

        Raises:
            NotFoundError: it is not there.
            ConflictError: it has Instances.
        """
        await self.host.delete_sequence(self.id, force=force)

    async def _start(self, request: StartRequest, answer: type[T]) -> T:
        return await self._call("POST", f"{self._path}/start", answer, body=request)

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return await self.host.transport.call(method, path, answer, **options)


def start_request(
    *,
    args: list[Any] | tuple[Any, ...] | None = None,
    app_config: dict[str, Any] | None = None,
    restart: str | RestartPolicy | None = None,
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> StartRequest:
    """Body of ``POST /sequence/:id/start``.

    Raises:
        TypeError: args is no list, app_config no dict, or something in them can't be sent as JSON.
        ValueError: a number in them is one that JSON does not have.
    """
    if args is not None and not isinstance(args, (list, tuple)):
        raise TypeError(f"args is a list or tuple of arguments, not {type(args).__name__}: write args=[{args!r}]")
    if app_config is not None and not isinstance(app_config, dict):
        raise TypeError(f"app_config is a dict, not {type(app_config).__name__}")
    return StartRequest(
        args=msgspec.UNSET if args is None else json_value(list(args), "args"),
        app_config=msgspec.UNSET if app_config is None else json_value(app_config, "app_config"),
        restart=msgspec.to_builtins(restart),
        limits=json_value(limits, "limits"),
        **options,
    )
