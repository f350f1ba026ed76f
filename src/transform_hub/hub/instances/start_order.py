"""What is to be started: parsed once, whether the API, a startup file or an earlier Hub asks for it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Collection

import msgspec

from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.environment import check
from transform_hub.hub.instances.limits import limits_for
from transform_hub.hub.instances.restarts import policy_of
from transform_hub.models import InstanceLimits, RestartPolicy, SequenceInfo, StartRequest
from transform_hub.models.rules import GROUP_NAME, GROUP_RULE, OBJECT_ID, TOPIC_NAME, TOPIC_RULE


@dataclasses.dataclass(frozen=True)
class StartOrder:
    """An Instance to be.

    Attributes:
        id: that it gets.
        sequence: what runs.
        request: as it was asked for, with the limits that the Instance has.
        policy: when it is restarted.
    """

    id: str
    sequence: SequenceInfo
    request: StartRequest
    policy: RestartPolicy


@dataclasses.dataclass(frozen=True)
class StartRules:
    """What a Hub adds to a start that does not say it, and what it allows.

    Attributes:
        limits: that no Instance may exceed, and that it has if it asks for nothing else.
        restart_policy: of Instances that ask for none.
    """

    limits: InstanceLimits = dataclasses.field(default_factory=InstanceLimits)
    restart_policy: str = "never"

    def parse(
        self, sequence: SequenceInfo, request: StartRequest, supported: Collection[str], *, id: str | None = None
    ) -> StartOrder:
        """Make an order of a request.

        Args:
            sequence: what is to run.
            request: how.
            supported: the limits that the runtime can hold an Instance to.
            id: that the Instance has already.

        Raises:
            ApiError: an id, a limit, a restart policy, a variable or a secret is not possible.
        """
        if request.instance_id is not None and not OBJECT_ID.fullmatch(request.instance_id):
            raise ApiError(400, "Invalid instanceId format: 36 letters, digits, '-', '_' or '.'")
        for field, topic in (("inputTopic", request.input_topic), ("outputTopic", request.output_topic)):
            if topic and not TOPIC_NAME.fullmatch(topic):
                raise ApiError(400, f"Invalid {field} format: {TOPIC_RULE}")
        if request.input_group is not None and not GROUP_NAME.fullmatch(request.input_group):
            raise ApiError(400, f"Invalid inputGroup format: {GROUP_RULE}")
        limits = limits_for(request.limits, self.limits, supported)
        try:
            policy = policy_of(self.restart_policy if request.restart is None else request.restart)
        except ValueError as error:
            raise ApiError(400, f"Invalid restart format: {error}") from None
        try:
            check(request.env, request.secrets)
        except ValueError as error:
            raise ApiError(400, f"Invalid {error}") from None
        return StartOrder(
            id=id or request.instance_id or str(uuid.uuid4()),
            sequence=sequence,
            request=msgspec.structs.replace(request, limits=limits),
            policy=policy,
        )
