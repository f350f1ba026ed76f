"""What others learn of Instances: one way for the audit, the metrics, the history and what outlives the Hub."""

from __future__ import annotations

from transform_hub.hub.instances.instance import Instance


class InstanceObserver:
    """Is told what becomes of Instances; subclasses override what they want to know."""

    def started(self, instance: Instance, seconds: float | None) -> None:
        """An Instance was started, in so many seconds; or, with None, has outlived an earlier Hub."""

    def refused(self) -> None:
        """A start came to nothing."""

    def changed(self, instance: Instance) -> None:
        """Something that another Hub would have to know has changed; comes before ``started`` too."""

    def ended(self, instance: Instance) -> None:
        """A started Instance has ended."""

    def gone(self, instance: Instance) -> None:
        """An Instance is no longer kept, started or not."""
