"""The client of a Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from transform_hub.client.address import segment, sequence_path
from transform_hub.client.body import Progress, Sendable
from transform_hub.client.delivery import deliver
from transform_hub.client.instance import InstanceClient
from transform_hub.client.overview import HubOverview
from transform_hub.client.run import MAX_BYTES, CompletedInstance, run
from transform_hub.client.sequence import Secrets, SequenceClient
from transform_hub.client.topic import TopicClient
from transform_hub.errors import AmbiguousNameError, NotFoundError
from transform_hub.models import (
    SequenceCreated,
    SequenceInfo,
)
from transform_hub.models.rules import NDJSON
from transform_hub.profile import Connection

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

T = TypeVar("T")

KILLING = 20.0
"""Additional seconds for a Hub to kill the Instances of a Sequence."""


class HostClient(HubOverview):
    """A Hub: its Sequences, Instances and topics.

    ``close()``, or the end of its ``with`` block, closes its connections; otherwise the end of the program does.

    Args:
        url: of the Hub's API, like ``http://127.0.0.1:8000/api/v1``; credentials in it are sent as a header.
            For a Unix socket: ``http+unix://%2Frun%2Fhub.sock/api/v1``.
        token: sent as bearer token; or a function, sync or async, that returns one. It is called for each request,
            and once more if the Hub refuses the token.
        headers: sent with each request.
        timeout: seconds for a call, retries included; None is no limit. Streams have no such limit.
        connect_timeout: seconds for connecting.
        idle_timeout: seconds that a stream may be silent while it is read; None is no limit.
        tls: settings of secure connections, as :class:`TLS` or :class:`ssl.SSLContext`.
        trust_env: use the HTTP proxy that the environment names, as in ``HTTPS_PROXY``; never for this machine itself
            or for hosts in ``NO_PROXY``.

    Raises:
        ValueError: ``url`` can't be the URL of a Hub; or the settings of TLS or of the proxy can't be used.
        OSError: a file of the TLS settings can't be read.

    Each call may also raise:

        HubConnectionError: no Hub answered; HubTimeoutError: not in time.
        AuthenticationError, PermissionDeniedError: the token was refused, or does not allow this.

    Example:
        >>> async with HostClient("http://127.0.0.1:8000/api/v1") as host:
        ...     sequence = await host.send_sequence("my-sequence")
        ...     instance = await sequence.start(args=["hello"])
        ...     async for line in instance.get_output().lines():
        ...         print(line)
    """

    @classmethod
    def from_env(cls, profile: str | None = None, **options: Any) -> Self:
        """The client of the Hub that the environment names, or else the profile of ``si``.

        ``SCRAMJET_HUB_URL`` and ``SCRAMJET_TOKEN`` come first, then the profile that ``SI_CONFIG_PATH`` or
        ``SI_CONFIG`` names, then the active one. In a profile for production, ``SCRAMJET_SPACE`` and
        ``SCRAMJET_HUB`` name the Hub behind the platform. The default is ``http://127.0.0.1:8000/api/v1``.

        Args:
            profile: name of the profile to use instead.
            options: as in the constructor; ``token`` overrides any other.

        Returns:
            The client.

        Raises:
            ProfileError: there is no such profile, it can't be read, or lacks a value.
            ValueError: the URL is not that of a Hub.
        """
        found = Connection.find(profile)
        return cls(found.url, **{"token": found.token or None, **options})

    async def send_sequence(self, source: str | Sendable, *, progress: Progress | None = None) -> SequenceClient:
        """Send a Sequence: ``POST /sequence``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or a tar.gz itself, as bytes, open
                file or iterable of chunks.
            progress: called after each piece with the bytes so far, and the total if it is known.

        Returns:
            The Sequence.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            UnprocessableError: the Hub refuses the package.
            HubTimeoutError: the Hub took nothing for the timeout of a call; an upload that moves may last longer.
        """
        created = await self._send_sequence(source, SequenceCreated, progress)
        return self.sequence(created.id)

    def sequence(self, sequence_id: str) -> SequenceClient:
        """The client of a Sequence; no request is sent, and the Hub need not have it.

        Args:
            sequence_id: its id; with a Hub of this package also its name.

        Returns:
            The client.

        Raises:
            TypeError, ValueError: an id can't look like this.
        """
        return SequenceClient(sequence_id, self)

    def instance(self, instance_id: str) -> InstanceClient:
        """The client of an Instance; no request is sent, and the Hub need not have it.

        Args:
            instance_id: its id.

        Returns:
            The client.

        Raises:
            TypeError, ValueError: an id can't look like this.
        """
        return InstanceClient(instance_id, self)

    def topic(self, name: str, content_type: str = NDJSON) -> TopicClient:
        """The client of a topic; no request is sent, and the Hub need not have it.

        Args:
            name: letters, digits, ``_``, ``-``, ``+`` and backslashes.
            content_type: that of the topic, see :meth:`create_topic`.

        Returns:
            The client.

        Raises:
            TypeError, ValueError: a name can't look like this.
        """
        return TopicClient(name, self, content_type)

    async def find_sequences(self, name: str) -> list[SequenceInfo]:
        """List the Sequences with a name in their ``package.json``: ``GET /sequences``.

        Args:
            name: the full name.

        Returns:
            What each is.
        """
        return [sequence for sequence in await self.list_sequences() if name in (sequence.name, sequence.config.name)]

    async def get_sequence(self, name_or_id: str) -> SequenceClient:
        """Find a Sequence by its id, or else by its name: ``GET /sequences``.

        Args:
            name_or_id: in full.

        Returns:
            Its client.

        Raises:
            NotFoundError: there is none.
            AmbiguousNameError: several have this name; the error has their ids.
        """
        sequences = await self.list_sequences()
        ids = [sequence.id for sequence in sequences if sequence.id == name_or_id] or [
            sequence.id for sequence in sequences if name_or_id in (sequence.name, sequence.config.name)
        ]
        if not ids:
            message = f"There is no Sequence with the id or name {name_or_id!r}"
            raise NotFoundError(message, status=404, method="GET", url=f"{self.url}/sequences")
        if len(ids) > 1:
            raise AmbiguousNameError(name_or_id, ids)
        return self.sequence(ids[0])

    async def run(
        self,
        source: str | Sendable | SequenceClient,
        *,
        args: list[Any] | tuple[Any, ...] | None = None,
        app_config: dict[str, Any] | None = None,
        input: Sendable | None = None,
        content_type: str | None = None,
        stdin: Sendable | None = None,
        input_topic: str | None = None,
        output_topic: str | None = None,
        limits: dict[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        secrets: Secrets | None = None,
        timeout: float | None = None,
        reconnect_timeout: float | None = 30.0,
        check: bool = False,
        max_bytes: int | None = MAX_BYTES,
    ) -> CompletedInstance:
        r"""Run a Sequence to its end: send it, start it, feed it, collect what it writes, and delete it.

        Calls ``POST /sequence``, ``POST /sequence/:id/start``, the streams of the Instance, and
        ``DELETE /sequence/:id``. After any failure, cancellation or Ctrl-C included, the Instance is killed and the
        Sequence deleted. What the Instance writes is held in memory; if it is much, start the Sequence and read its
        streams instead.

        Args:
            source: what :meth:`send_sequence` takes; or a Sequence on the Hub, which is kept.
            args: positional arguments, after the input stream.
            app_config: becomes ``context.config`` in the Sequence.
            input: the input; None is an empty one.
            content_type: of the input; by default the obvious one, e.g. ``text/plain`` for a str.
            stdin: the standard input; None is an empty one.
            input_topic: name for the topic that the Sequence requires.
            output_topic: name for the topic that the Sequence provides.
            limits: resource limits, e.g. ``{"memory": 512}`` (MB).
            env: environment variables of the Sequence.
            secrets: become ``context.secrets`` in the Sequence, see :meth:`SequenceClient.start`.
            timeout: seconds after the start until the Instance is killed; None is no limit.
            reconnect_timeout: seconds that the Hub may be away once it has all of the input, e.g. while it restarts:
                output resumes where it was lost. None is no limit.
            check: raise an error if the exit code is not 0.
            max_bytes: limit of output, stdout and stderr each, at which it is killed; None is no limit.

        Returns:
            Exit code, reason, output, stdout and stderr.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            BadRequestError, UnprocessableError: the Hub can't start it, or refuses the package.
            InstanceFailedError: the exit code is not 0, and ``check`` is set.
            InstanceTimeoutError: it did not end in time; the error has what it wrote.
            OutputTooLargeError: it wrote more than ``max_bytes``; the error has what it wrote.
            InstanceGoneError: the Hub forgot the Instance before it told how that ended.
            HubConnectionError, StreamError: the Hub was away for too long, or came back without all of the output.

        Example:
            >>> done = await host.run("my-sequence", input="one line\n", check=True)
            >>> print(done.output.decode())
        """
        done = await run(
            self,
            source,
            args=args,
            app_config=app_config,
            input=input,
            content_type=content_type,
            stdin=stdin,
            input_topic=input_topic,
            output_topic=output_topic,
            limits=limits,
            env=env,
            secrets=secrets,
            timeout=timeout,
            reconnect_timeout=reconnect_timeout,
            max_bytes=max_bytes,
        )
        if check:
            done.check_returncode()
        return done

    async def delete_sequence(self, sequence_id: str, *, force: bool = False) -> None:
        """Delete a Sequence: ``DELETE /sequence/:id``.

        Args:
            sequence_id: its id.
            force: kill its Instances first; STH takes 16 s for that, so the timeout is longer.

        Raises:
            NotFoundError: there is none with this id.
            ConflictError: it has Instances.
        """
        path, own = sequence_path(sequence_id), self.transport.timeout
        if force:
            limit = None if own is None else own + KILLING
            await self._call("DELETE", path, Any, headers={"x-seq-kill-inst": "true"}, timeout=limit)
        else:
            await self._call("DELETE", path, Any)

    async def create_topic(self, name: str, content_type: str = NDJSON) -> TopicClient:
        """Create a topic: ``POST /topics``.

        Args:
            name: letters, digits, ``_``, ``-``, ``+`` and backslashes.
            content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain`` or
                ``application/octet-stream``.

        Returns:
            The topic.

        Raises:
            BadRequestError: a topic can't have this name or content type, or the name is taken.
        """
        body = {"id": name, "content-type": content_type}
        await self._call("POST", "/topics", Any, body=body)
        return self.topic(name, content_type)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic: ``DELETE /topics/:name``.

        Args:
            name: of the topic.

        Raises:
            NotFoundError: there is no such topic.
        """
        await self._call("DELETE", f"/topics/{segment(name, 'a topic name')}", Any)

    async def _send_sequence(self, source: str | Sendable, answer: type[T], progress: Progress | None = None) -> T:
        return await deliver(self.transport, "POST", "/sequence", source, answer, progress=progress)
