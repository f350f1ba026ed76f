"""An Instance on a Hub, seen from outside.

Made by tools/make_sync of transform_hub.client.instance: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import Any

from transform_hub.client import instance as native
from transform_hub.models import InstanceHealth, InstanceInfo, Terminated
from transform_hub.sync.instance_streams import InstanceStreams
from transform_hub.sync.mirror import mirror


class InstanceClient(InstanceStreams, of=native.InstanceClient):
    """Talks to a Hub about one Instance, and carries its streams.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    _async: native.InstanceClient

    def get_info(self) -> InstanceInfo:
        """Look at the Instance: ``GET /instance/:id``.

        Returns:
            Its state, times, arguments, topics, and how it ended.

        Raises:
            NotFoundError: it is not there; ended ones are forgotten after a while.
        """
        return self._run(self._async.get_info)

    def get_health(self) -> InstanceHealth:
        """Ask what the Instance last said of its health: ``GET /instance/:id/health``.

        Returns:
            Whether it is well; ``answer`` has what its own health checks add.

        Raises:
            NotFoundError: it is not there.
        """
        return self._run(self._async.get_health)

    def wait(self, timeout: float | None = None, *, reconnect_timeout: float | None = 0.0) -> Terminated:
        """Wait until the Instance has ended: ``GET /instance/:id``, and a stream of events that ends with it.

        Args:
            timeout: seconds to wait; None is no limit.
            reconnect_timeout: seconds that the Hub may be away at a time, as when it is restarted; None is no
                limit.

        Returns:
            Its exit code and the reason.

        Raises:
            NotFoundError: it is not there.
            InstanceGoneError: it was there, and the Hub forgot it before it told how it ended.
            InstanceTimeoutError: it did not end in time; it goes on.
            HubConnectionError: the Hub went away, and was away for too long.
        """
        return self._run(self._async.wait, timeout, reconnect_timeout=reconnect_timeout)

    def wait_running(self, timeout: float | None = None) -> InstanceInfo:
        """Wait until the Instance runs: ``GET /instance/:id``.

        Args:
            timeout: seconds to wait; None is no limit.

        Returns:
            What it is then.

        Raises:
            NotFoundError: it is not there.
            InstanceEndedError: it has ended; has exit code and reason.
            InstanceTimeoutError: it does not run in time.
        """
        return self._run(self._async.wait_running, timeout)

    def restart(self, timeout: float | None = None) -> InstanceClient:
        """Kill the Instance, and start one with the same id, arguments, configuration, topics and restart policy.

        Calls ``POST /instance/:id/_kill``, ``GET /instance/:id`` and ``POST /sequence/:id/start``.

        It takes as long as the Hub needs to forget the old one: 16 s on STH, and if it has ended by itself, as
        long as ended Instances are kept there.

        Args:
            timeout: seconds to wait until the Hub has forgotten it; None is no limit.

        Returns:
            The new Instance.

        Raises:
            NotFoundError: it, or its Sequence, is not there.
            InstanceTimeoutError: the Hub still has it; no new one was started.
        """
        return mirror(self._run(self._async.restart, timeout))

    def stop(self, timeout: int = 7000, can_keep_alive: bool = False) -> InstanceInfo:
        """Ask the Instance to stop, and kill it if it has not: ``POST /instance/:id/_stop``.

        Args:
            timeout: ms that it has.
            can_keep_alive: whether it may ask for more time.

        Returns:
            What it is then.

        Raises:
            NotFoundError: it is not there.
            HubTimeoutError: the Hub answered neither in this time nor in that of another call.
            TypeError: the timeout is no number.
        """
        return self._run(self._async.stop, timeout, can_keep_alive)

    def kill(self, *, remove_immediately: bool = False) -> InstanceInfo:
        """End the Instance without asking it: ``POST /instance/:id/_kill``.

        Args:
            remove_immediately: let the Hub forget it at once.

        Returns:
            What it is then.

        Raises:
            NotFoundError: it is not there.
            BadRequestError: it does not run; only STH minds.
        """
        return self._run(self._async.kill, remove_immediately=remove_immediately)

    def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the Instance tells its health: ``POST /instance/:id/_monitoring_rate``.

        Args:
            per_second: times in a second.

        Raises:
            NotFoundError: the Instance is not there.
            BadRequestError: this is no such number.
            ValueError: JSON does not have it, like NaN.
        """
        self._run(self._async.set_monitoring_rate, per_second)

    def send_event(self, name: str, message: Any = "") -> None:
        """Send an event to the Instance: ``POST /instance/:id/_event``.

        Args:
            name: of the event.
            message: any JSON value.

        Raises:
            NotFoundError: the Instance is not there.
            ConflictError: no run of it is there, as while it is restarted.
            TypeError, ValueError: the name is no str, or the message can't be sent as JSON.
        """
        self._run(self._async.send_event, name, message)

    def get_event(self, name: str, timeout: float | None = None) -> Any:
        """Get the last message of an event, or wait for the first: ``GET /instance/:id/event/:name``.

        Args:
            name: of the event.
            timeout: seconds to wait; None is no limit.

        Returns:
            The message.

        Raises:
            HubTimeoutError: there was none in time.
            NotFoundError: the Instance is not there, or has ended without one.
        """
        return self._run(self._async.get_event, name, timeout)

    def get_next_event(self, name: str, timeout: float | None = None) -> Any:
        """Wait for the next message of an event: ``GET /instance/:id/once/:name``; see :meth:`get_event`."""
        return self._run(self._async.get_next_event, name, timeout)
