"""The client of a Sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from transform_hub.client.address import sequence_path
from transform_hub.client.body import Progress, Sendable
from transform_hub.client.delivery import deliver
from transform_hub.client.json_value import json_value
from transform_hub.models import (
    InstanceStarted,
    RestartPolicy,
    SecretFile,
    SequenceCreated,
    SequenceInfo,
    StartRequest,
)

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient

T = TypeVar("T")

Secrets = Mapping[str, "str | dict[str, str] | SecretFile"]
"""Secrets of a start by name: the value, or ``{"file": name}`` for a file of the Hub."""


class SequenceClient:
    """One Sequence on a Hub.

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
        input_group: str | None = None,
        output_topic: str | None = None,
        limits: dict[str, Any] | None = None,
        restart: str | RestartPolicy | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Secrets | None = None,
    ) -> InstanceClient:
        """Start an Instance: ``POST /sequence/:id/start``.

        Args:
            args: positional arguments, after the input stream.
            app_config: becomes ``context.config`` in the Sequence.
            instance_id: id to use instead of a random one, 36 characters.
            input_topic: name for the topic that the Sequence requires.
            input_group: group of readers of that topic, which share its items: each goes to one of them. Needs a Hub of
                this package.
            output_topic: name for the topic that the Sequence provides.
            limits: resource limits, e.g. ``{"memory": 512}`` (MB).
            restart: when the Hub runs it again: ``never``, ``on-failure``, ``always``, the last two also with a
                maximum of restarts in a row, as in ``on-failure:5``; or a :class:`RestartPolicy`, which has the
                pauses as well. None is the Hub's own setting. STH ignores it.
            env: environment variables of the Sequence. The Hub tells the names again, never the values. STH ignores
                them.
            secrets: become ``context.secrets`` in the Sequence, and are in no environment: values by name, or
                ``{"file": "db"}`` for a file in the Hub's ``--secrets-dir``. STH ignores them.

        Returns:
            The Instance.

        Raises:
            BadRequestError: the Hub could not start it.
            NotFoundError: there is no such Sequence.
            ConflictError: the id is taken.
            OverloadedError: the Hub has no room for it now.
            TypeError: args is not a list, app_config not a dict, or a value in them can't be sent as JSON; a variable
                or a secret is no str.
            ValueError: JSON has no such number as one in them, like NaN; a variable or a secret is not Unicode.
        """
        request = start_request(
            args=args,
            app_config=app_config,
            instance_id=instance_id,
            input_topic=input_topic,
            input_group=input_group,
            output_topic=output_topic,
            limits=limits,
            restart=restart,
            env=env,
            secrets=secrets,
        )
        started = await self._start(request, InstanceStarted)
        return self.host.instance(started.id)

    async def get_info(self) -> SequenceInfo:
        """Look at the Sequence: ``GET /sequence/:id``.

        Returns:
            What its package says, and the ids of its Instances.

        Raises:
            NotFoundError: there is no such Sequence.
        """
        return await self._call("GET", self._path, SequenceInfo)

    async def list_instances(self) -> list[str]:
        """List the ids of its Instances: ``GET /sequence/:id/instances``.

        Returns:
            The ids.

        Raises:
            NotFoundError: there is no such Sequence.
        """
        return await self._call("GET", f"{self._path}/instances", list[str])

    async def overwrite(self, source: str | Sendable, *, progress: Progress | None = None) -> None:
        """Replace the package of the Sequence, which keeps its id: ``PUT /sequence/:id``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or a tar.gz itself, as bytes, open
                file or iterable of chunks.
            progress: called after each piece with the bytes so far, and the total if it is known.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            NotFoundError: there is no such Sequence.
            ConflictError: it has Instances.
            UnprocessableError: the Hub refuses the package.
        """
        await deliver(self.host.transport, "PUT", self._path, source, SequenceCreated, progress=progress)

    async def delete(self, *, force: bool = False) -> None:
        """Delete the Sequence: ``DELETE /sequence/:id``.

        Args:
            force: kill its Instances first.

        Raises:
            NotFoundError: there is no such Sequence.
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
    env: Mapping[str, str] | None = None,
    secrets: Secrets | None = None,
    **options: Any,
) -> StartRequest:
    """Body of ``POST /sequence/:id/start``.

    Raises:
        TypeError: args is not a list, app_config not a dict, or a value in them can't be sent as JSON; a variable or a
            secret is no str.
        ValueError: JSON has no such number as one in them.
    """
    if args is not None and not isinstance(args, (list, tuple)):
        raise TypeError(f"args must be a list or tuple, not {type(args).__name__}: use args=[{args!r}]")
    if app_config is not None and not isinstance(app_config, dict):
        raise TypeError(f"app_config must be a dict, not {type(app_config).__name__}")
    return StartRequest(
        args=msgspec.UNSET if args is None else json_value(list(args), "args"),
        app_config=msgspec.UNSET if app_config is None else json_value(app_config, "app_config"),
        restart=msgspec.to_builtins(restart),
        limits=json_value(limits, "limits"),
        env=_texts(env, dict[str, str], "env"),
        secrets=_texts(secrets, dict[str, str | SecretFile], "secrets"),
        **options,
    )


def _texts(given: Mapping[str, Any] | None, kind: type[T], name: str) -> T | None:
    """Texts by name, as they are sent; no error has more of them than a name."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(given).__name__}")
    try:
        texts = msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        raise TypeError(f"{name}: {error}") from None
    for key, value in given.items():
        try:
            f"{key}{value}".encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name}: {key!a} is not text in UTF-8") from None
    return texts
