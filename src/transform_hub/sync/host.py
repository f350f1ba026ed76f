"""A Hub, seen from outside.

Made by tools/make_sync of transform_hub.client.host: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transform_hub.client import host as native
from transform_hub.client.body import NDJSON, Progress, Sendable
from transform_hub.client.run import MAX_BYTES, CompletedInstance
from transform_hub.models import SequenceInfo
from transform_hub.sync.handover import options_of, progress_of, sendable
from transform_hub.sync.mirror import mirror
from transform_hub.sync.overview import HubOverview

if TYPE_CHECKING:
    from typing_extensions import Self

    from transform_hub.sync.instance import InstanceClient
    from transform_hub.sync.sequence import SequenceClient
    from transform_hub.sync.topic import TopicClient


class HostClient(HubOverview, of=native.HostClient):
    """Talks to a Hub.

    It can be used in several threads at once. ``with`` or ``close()`` closes its connections at once;
    otherwise they are closed when the program ends.

    Args:
        url: of the Hub's API, like ``http://127.0.0.1:8000/api/v1``; credentials in it are sent as a header.
            ``http+unix://%2Frun%2Fhub.sock/api/v1`` is that of a Unix socket.
        token: sent as bearer token; or a function that returns a fresh one. It is called for each request,
            in the thread that makes it, and once more when the Hub does not accept what it returned.
        headers: sent with each request.
        timeout: seconds that a call may take, retries included; None is no limit. Streams have no such limit.
        connect_timeout: seconds for making a connection.
        idle_timeout: seconds that a stream which is read may be silent; None is no limit.
        tls: settings of secure connections, as :class:`TLS` or :class:`ssl.SSLContext`.
        trust_env: whether to use the HTTP proxy that the environment names, as in ``HTTPS_PROXY``; never for
            this machine itself or for what ``NO_PROXY`` names.

    Raises:
        ValueError: this can't be the URL of a Hub; or the settings of TLS or of the proxy can't be used.
        OSError: a file of the TLS settings can't be read.

    Each call may also raise:

        HubConnectionError: no Hub answered; HubTimeoutError: not in time.
        AuthenticationError, PermissionDeniedError: the token was not accepted, or is not good for this.

    Example:
        >>> with HostClient("http://127.0.0.1:8000/api/v1") as host:
        ...     sequence = host.send_sequence("my-sequence")
        ...     instance = sequence.start(args=["hello"])
        ...     for line in instance.get_output().lines():
        ...         print(line)
    """

    _async: native.HostClient

    @classmethod
    def from_env(cls, profile: str | None = None, **options: Any) -> Self:
        """The client of the Hub that the environment names, or else the profile of ``si`` that holds.

        ``SCRAMJET_HUB_URL`` and ``SCRAMJET_TOKEN`` go first, then the profile that ``SI_CONFIG_PATH`` or
        ``SI_CONFIG`` names, then the active one. In a profile for production, ``SCRAMJET_SPACE`` and
        ``SCRAMJET_HUB`` name the Hub behind the platform. With nothing of all that it is the Hub at
        ``http://127.0.0.1:8000/api/v1``.

        Args:
            profile: name of the profile to use instead of all that.
            options: as in the constructor; a ``token`` goes before all others.

        Returns:
            The client.

        Raises:
            ProfileError: the profile is not there, can't be read, or lacks what is needed.
            ValueError: the URL is not that of a Hub.
        """
        return cls._of(native.HostClient.from_env(profile, **options_of(options)))

    def send_sequence(self, source: str | Sendable, *, progress: Progress | None = None) -> SequenceClient:
        """Send a Sequence: ``POST /sequence``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or a tar.gz itself, as bytes, open
                file or iterable of chunks.
            progress: told after each piece how many bytes have been sent, and how many there are if that is
                known.

        Returns:
            The Sequence.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            UnprocessableError: the Hub refuses the package.
            HubTimeoutError: the Hub took nothing for as long as a call may take; an upload that moves may
                last longer.
        """
        return mirror(self._run(self._async.send_sequence, sendable(source), progress=progress_of(progress)))

    def sequence(self, sequence_id: str) -> SequenceClient:
        """The client of a Sequence; nothing is asked of the Hub, which need not have it.

        Args:
            sequence_id: its id; with a Hub of this package also its name.

        Returns:
            The client.

        Raises:
            TypeError, ValueError: this can't be an id.
        """
        return mirror(self._async.sequence(sequence_id))

    def instance(self, instance_id: str) -> InstanceClient:
        """The client of an Instance; nothing is asked of the Hub, which need not have it.

        Args:
            instance_id: its id.

        Returns:
            The client.

        Raises:
            TypeError, ValueError: this can't be an id.
        """
        return mirror(self._async.instance(instance_id))

    def topic(self, name: str, content_type: str = NDJSON) -> TopicClient:
        """The client of a topic; nothing is asked of the Hub, which need not have it.

        Args:
            name: letters, digits, ``_``, ``-``, ``+`` and backslashes.
            content_type: that of the topic, see :meth:`create_topic`.

        Returns:
            The client.

        Raises:
            TypeError, ValueError: this can't be a name.
        """
        return mirror(self._async.topic(name, content_type))

    def find_sequences(self, name: str) -> list[SequenceInfo]:
        """List the Sequences of a name, as their ``package.json`` has it: ``GET /sequences``.

        Args:
            name: the whole name.

        Returns:
            What each is.
        """
        return self._run(self._async.find_sequences, name)

    def get_sequence(self, name_or_id: str) -> SequenceClient:
        """Find a Sequence by its id, or else by its name: ``GET /sequences``.

        Args:
            name_or_id: the whole of it.

        Returns:
            Its client.

        Raises:
            NotFoundError: there is none.
            AmbiguousNameError: several have this name; it has their ids.
        """
        return mirror(self._run(self._async.get_sequence, name_or_id))

    def run(
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
        timeout: float | None = None,
        reconnect_timeout: float | None = 30.0,
        check: bool = False,
        max_bytes: int | None = MAX_BYTES,
    ) -> CompletedInstance:
        r"""Run a Sequence to its end: send and start it, feed it, collect what it writes, and delete it.

        Calls ``POST /sequence``, ``POST /sequence/:id/start``, what the Instance has, and ``DELETE /sequence/:id``.
        Whatever happens meanwhile, a cancellation or Ctrl-C included, the Instance is killed and the Sequence
        deleted. What the Instance writes is held in memory; where it is much, start the Sequence and read its
        streams instead.

        Args:
            source: what :meth:`send_sequence` takes; or a Sequence that the Hub has, which is then kept.
            args: positional arguments, after the input stream.
            app_config: becomes ``context.config`` in the Sequence.
            input: what it gets as input; None is an empty one.
            content_type: of the input; by default the obvious one, e.g. ``text/plain`` for a str.
            stdin: what it gets as standard input; None is an empty one.
            input_topic: name to use for the topic that the Sequence requires.
            output_topic: name to use for the topic that the Sequence provides.
            limits: resource limits, e.g. ``{"memory": 512}`` (MB).
            timeout: seconds from the start of the Instance after which it is killed; None is no limit.
            reconnect_timeout: seconds that the Hub may be away once it has all of the input, as when it is killed
                and
                restarted: what the Instance writes is read on where it was lost. None is no limit.
            check: raise if its exit code is not 0.
            max_bytes: that each of output, stdout and stderr may have before it is killed; None is no limit.

        Returns:
            Exit code, reason and all that was written.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            BadRequestError, UnprocessableError: the Hub can't start it, or refuses the package.
            InstanceFailedError: the exit code is not 0, and ``check`` is set.
            InstanceTimeoutError: it did not end in time; has what it had written.
            OutputTooLargeError: it wrote more than ``max_bytes``; has what it had written.
            InstanceGoneError: the Hub forgot the Instance before it told how it ended.
            HubConnectionError, StreamError: the Hub went away, and did not come back in time with all that was
                written.

        Example:
            >>> done = host.run("my-sequence", input="one line\n", check=True)
            >>> print(done.output.decode())
        """
        return self._run(
            self._async.run,
            sendable(source),
            args=args,
            app_config=app_config,
            input=sendable(input),
            content_type=content_type,
            stdin=sendable(stdin),
            input_topic=input_topic,
            output_topic=output_topic,
            limits=limits,
            timeout=timeout,
            reconnect_timeout=reconnect_timeout,
            check=check,
            max_bytes=max_bytes,
        )

    def delete_sequence(self, sequence_id: str, *, force: bool = False) -> None:
        """Delete a Sequence: ``DELETE /sequence/:id``.

        Args:
            sequence_id: its id.
            force: kill its Instances first; STH takes 16 s for that, and the deadline is so much later.

        Raises:
            NotFoundError: there is none with this id.
            ConflictError: it has Instances.
        """
        self._run(self._async.delete_sequence, sequence_id, force=force)

    def create_topic(self, name: str, content_type: str = NDJSON) -> TopicClient:
        """Create a topic: ``POST /topics``.

        Args:
            name: letters, digits, ``_``, ``-``, ``+`` and backslashes.
            content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain`` or
                ``application/octet-stream``.

        Returns:
            The topic.

        Raises:
            BadRequestError: the name or content type is none of a topic, or there is one of this name.
        """
        return mirror(self._run(self._async.create_topic, name, content_type))

    def delete_topic(self, name: str) -> None:
        """Delete a topic: ``DELETE /topics/:name``.

        Args:
            name: of the topic.

        Raises:
            NotFoundError: there is none of this name.
        """
        self._run(self._async.delete_topic, name)
