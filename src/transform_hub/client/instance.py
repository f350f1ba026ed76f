"""The client of an Instance."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, TypeVar

from transform_hub.client import waiting
from transform_hub.client.address import segment
from transform_hub.client.instance_streams import InstanceStreams
from transform_hub.client.json_value import json_value
from transform_hub.client.sequence import Secrets
from transform_hub.errors import BadRequestError, NotFoundError
from transform_hub.models import InstanceHealth, InstanceInfo, KillRequest, StopRequest, Terminated

T = TypeVar("T")

EVENT_CODE = 5001
"""Code of an event in STH's control messages."""

MONITORING_RATE_CODE = 4003
"""Code of a monitoring rate there."""


class InstanceClient(InstanceStreams):
    """One Instance on a Hub, with its streams.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    async def get_info(self) -> InstanceInfo:
        """Look at the Instance: ``GET /instance/:id``.

        Returns:
            Its state, times, arguments, topics, and how it ended.

        Raises:
            NotFoundError: there is no such Instance; ended ones are forgotten after a while.
        """
        return await self._call("GET", self.path, InstanceInfo)

    async def get_health(self) -> InstanceHealth:
        """Ask for the health that the Instance last reported: ``GET /instance/:id/health``.

        Returns:
            Whether it is healthy; ``answer`` has what its own health checks add.

        Raises:
            NotFoundError: there is no such Instance.
        """
        return InstanceHealth.of(await self._call("GET", f"{self.path}/health", dict[str, Any]))

    async def wait(self, timeout: float | None = None, *, reconnect_timeout: float | None = 0.0) -> Terminated:
        """Wait until the Instance has ended: ``GET /instance/:id``, and a stream of events that ends with it.

        Args:
            timeout: seconds to wait; None is no limit.
            reconnect_timeout: seconds that the Hub may be away at a time, e.g. while it restarts; None is no limit.

        Returns:
            Its exit code and the reason.

        Raises:
            NotFoundError: there is no such Instance.
            InstanceGoneError: the Hub forgot the Instance before it told how that ended.
            InstanceTimeoutError: the Instance did not end in time; it keeps running.
            HubConnectionError: the Hub was away for too long.
        """
        return await waiting.in_time(self, waiting.terminated(self, reconnect_timeout), timeout, "did not end")

    async def wait_running(self, timeout: float | None = None) -> InstanceInfo:
        """Wait until the Instance runs: ``GET /instance/:id``.

        Args:
            timeout: seconds to wait; None is no limit.

        Returns:
            What it is then.

        Raises:
            NotFoundError: there is no such Instance.
            InstanceEndedError: it has ended; the error has exit code and reason.
            InstanceTimeoutError: it does not run in time.
        """
        return await waiting.in_time(self, waiting.running(self), timeout, "does not run")

    async def restart(
        self,
        timeout: float | None = None,
        *,
        env: Mapping[str, str] | None = None,
        secrets: Secrets | None = None,
    ) -> InstanceClient:
        """Kill the Instance, and start one with the same id, arguments, configuration, topics and restart policy.

        Calls ``POST /instance/:id/_kill``, ``GET /instance/:id`` and ``POST /sequence/:id/start``.

        This takes until the Hub has forgotten the old one: 16 s on STH or, if it has ended by itself, as long as STH
        keeps ended Instances.

        Args:
            timeout: seconds to wait until the Hub has forgotten it; None is no limit.
            env: its environment variables again: the Hub tells only their names.
            secrets: its secrets again, likewise.

        Returns:
            The new Instance.

        Raises:
            ValueError: it has variables or secrets that are not given; nothing was killed.
            NotFoundError: there is no such Instance, or its Sequence is gone.
            InstanceTimeoutError: the Hub still has the old one; no new one was started.
        """
        info = await self.get_info()
        for what, names, given in (("env", info.env, env), ("secrets", info.secrets, secrets)):
            if missing := {*(names or ())} - {*(given or ())}:
                raise ValueError(
                    f"Instance {self.id} has {what} that the Hub does not tell: give {', '.join(sorted(missing))} again"
                )
        with contextlib.suppress(BadRequestError, NotFoundError):  # STH, when it has ended
            await self.kill(remove_immediately=True)
        await waiting.in_time(self, waiting.gone(self), timeout, "was not forgotten")
        return await self.host.sequence(info.sequence.id).start(
            args=info.args or None,
            app_config=info.app_config or None,
            instance_id=self.id,
            input_topic=info.requires or None,
            input_group=info.input_group,
            output_topic=info.provides or None,
            restart=info.restart_policy,
            env=env,
            secrets=secrets,
        )

    async def stop(
        self,
        timeout: float = 7.0,
        can_keep_alive: bool = False,  # noqa: FBT001, FBT002 - people call it so
    ) -> InstanceInfo:
        """Ask the Instance to stop, and kill it if it has not: ``POST /instance/:id/_stop``.

        Args:
            timeout: seconds until it is killed; 0 is at once.
            can_keep_alive: let it ask for more time.

        Returns:
            What it is then.

        Raises:
            NotFoundError: there is no such Instance.
            HubTimeoutError: the Hub did not answer within this time and the timeout of a call.
            TypeError: the timeout is not a number.
            ValueError: it is negative, or not finite.
        """
        if not isinstance(timeout, (int, float)):
            raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
        if not 0 <= timeout < float("inf"):
            raise ValueError(f"timeout must be a number of seconds from 0 on, not {timeout}")
        own = self.host.transport.timeout
        limit = None if own is None else own + timeout
        request = StopRequest(timeout=round(timeout * 1000), can_call_keepalive=can_keep_alive)
        return await self._call("POST", f"{self.path}/_stop", InstanceInfo, body=request, timeout=limit)

    async def kill(self, *, remove_immediately: bool = False) -> InstanceInfo:
        """Kill the Instance: ``POST /instance/:id/_kill``.

        Args:
            remove_immediately: make the Hub forget it at once.

        Returns:
            What it is then.

        Raises:
            NotFoundError: there is no such Instance.
            BadRequestError: it does not run; raised by STH only.
        """
        request = KillRequest(remove_immediately=remove_immediately)
        return await self._call("POST", f"{self.path}/_kill", InstanceInfo, body=request)

    async def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the Instance reports its health: ``POST /instance/:id/_monitoring_rate``.

        Args:
            per_second: reports per second.

        Raises:
            NotFoundError: there is no such Instance.
            BadRequestError: the Hub refuses the number.
            ValueError: JSON has no such number, like NaN.
        """
        body = [MONITORING_RATE_CODE, {"monitoringRate": json_value(per_second, "per_second")}]
        await self._call("POST", f"{self.path}/_monitoring_rate", Any, body=body)

    async def send_event(self, name: str, message: Any = "") -> None:
        """Send an event to the Instance: ``POST /instance/:id/_event``.

        Args:
            name: of the event.
            message: any JSON value.

        Raises:
            NotFoundError: there is no such Instance.
            ConflictError: the Instance is between two runs, while it restarts.
            TypeError, ValueError: the name is not a str, or the message can't be sent as JSON.
        """
        await self._send_event(name, message)

    async def get_event(self, name: str, timeout: float | None = None) -> Any:
        """Get the last message of an event, or wait for the first: ``GET /instance/:id/event/:name``.

        Args:
            name: of the event.
            timeout: seconds to wait; None is no limit.

        Returns:
            The message.

        Raises:
            HubTimeoutError: there was none in time.
            NotFoundError: there is no such Instance, or it has ended without one.
        """
        return await self._event("event", name, timeout)

    async def get_next_event(self, name: str, timeout: float | None = None) -> Any:
        """Wait for the next message of an event: ``GET /instance/:id/once/:name``; see :meth:`get_event`."""
        return await self._event("once", name, timeout)

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return await self.host.transport.call(method, path, answer, **options)

    async def _send_event(self, name: str, message: Any) -> Any:
        if not isinstance(name, str):
            raise TypeError(f"an event name must be a str, not {type(name).__name__}")
        event = [EVENT_CODE, {"eventName": name, "message": json_value(message, "message")}]
        return await self._call("POST", f"{self.path}/_event", Any, body=event)

    async def _event(self, route: str, name: str, limit: float | None) -> Any:
        path = f"{self.path}/{route}/{segment(name, 'an event name')}"
        return await self._call("GET", path, Any, timeout=limit)
