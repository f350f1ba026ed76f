"""The Hub's metrics, in the format of Prometheus.

Bytes are counted where streams carry them anyway, and read at a scrape: measuring costs nothing per chunk. Starts and
ends of Instances are counted when they happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Count
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.observability.lag import BOUNDS, LoopLag
from transform_hub.hub.observability.requests import Requests
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.topics.bus import TopicBus, TopicFigures
from transform_hub.models import InstanceStatus

STREAMS = ("stdin", "input", "output", "stdout", "stderr")
READABLE = ("output", "stdout", "stderr")
START_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics(InstanceObserver, Collector):
    """All metrics of one Hub, in a registry of its own; it observes Instances."""

    def __init__(
        self,
        instances: Mapping[str, Instance],
        sequences: SequenceStore,
        topics: TopicBus,
        requests: Requests,
        lag: LoopLag,
    ) -> None:
        self._instances = instances
        self._sequences = sequences
        self._topics = topics
        self._requests = requests
        self._lag = lag
        self._gone: Counter[str] = Counter()
        self._of_each_topic: list[tuple[str, TopicFigures]] = []
        self._registry = CollectorRegistry()
        self._starts = Histogram(
            "sth_instance_start_seconds",
            "Time from the request to the answer of a start.",
            buckets=START_BUCKETS,
            registry=self._registry,
        )
        self._refused = Count("sth_instance_starts_refused", "Starts that came to nothing.", registry=self._registry)
        self._ends = Count(
            "sth_instance_ends", "Instances that have ended.", ["status", "reason"], registry=self._registry
        )
        self._registry.register(self)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape, and its content type.

        Args:
            accept: the formats that the client accepts.
        """
        self._of_each_topic = [(topic.name, topic.figures()) for topic in await self._topics.topics()]
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    # --- counted when it happens --------------------------------------------------------------------------

    def started(self, instance: Instance, seconds: float | None) -> None:
        """Count a start; ``seconds`` from the request to its answer, None if the Instance is of an earlier Hub."""
        if seconds is not None:
            self._starts.observe(seconds)

    def refused(self) -> None:
        """Count an Instance that could not be started."""
        self._refused.inc()

    def ended(self, instance: Instance) -> None:
        """Count the end of an Instance."""
        reason = instance.terminated.reason if instance.terminated else "The Hub closed"
        self._ends.labels(instance.status, reason).inc()

    def gone(self, instance: Instance) -> None:
        """Keep the figures of an Instance that is no longer kept."""
        self._gone.update(instance.streams.traffic)

    # --- read at a scrape ---------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        yield from self._of_instances(list(self._instances.values()))
        yield from self._of_topics()
        yield from self._of_requests()
        yield GaugeMetricFamily("sth_sequences", "Sequences that are stored.", sum(1 for _ in self._sequences))
        yield self._loop_lag()

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry is this Hub's alone, so there are no other names to check against."""
        return ()

    def _of_instances(self, instances: list[Instance]) -> Iterator[Metric]:
        states = GaugeMetricFamily("sth_instances", "Instances, by what they are doing.", labels=["status"])
        counts = Counter(instance.status for instance in instances)
        for status in get_args(InstanceStatus):
            if status != "gone":
                states.add_metric([status], counts[status])
        yield states
        carried = CounterMetricFamily("sth_stream_bytes", "Bytes carried to and from Instances.", labels=["stream"])
        traffic = self._gone.copy()
        for instance in instances:
            traffic.update(instance.streams.traffic)
        for stream in STREAMS:
            carried.add_metric([stream], traffic[stream])
        yield carried
        yield from _depths(instances)

    def _of_topics(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
            "held": GaugeMetricFamily("sth_topic_held_bytes", "Bytes that a topic holds.", labels=["topic"]),
            "readers": GaugeMetricFamily("sth_topic_readers", "Readers of a topic.", labels=["topic"]),
            "writers": GaugeMetricFamily("sth_topic_writers", "Writers of a topic.", labels=["topic"]),
            "waiting": GaugeMetricFamily(
                "sth_topic_writers_held_back", "Writers that wait because a topic is full.", labels=["topic"]
            ),
            "written": CounterMetricFamily("sth_topic_bytes", "Bytes written to a topic.", labels=["topic"]),
        }
        for topic, figures in self._of_each_topic:
            for name, family in families.items():
                family.add_metric([topic], getattr(figures, name))
        yield from families.values()

    def _of_requests(self) -> Iterator[Metric]:
        being_answered = GaugeMetricFamily(
            "sth_requests_open", "Requests that are being answered; uploads and streams are some.", labels=["operation"]
        )
        for operation, count in self._requests.open.items():
            being_answered.add_metric([operation], count)
        answered = CounterMetricFamily(
            "sth_requests",
            "Requests answered; status 0: the client went away.",
            labels=["operation", "status"],
        )
        for (operation, status), count in self._requests.answered.items():
            answered.add_metric([operation, str(status)], count)
        yield being_answered
        yield answered

    def _loop_lag(self) -> Metric:
        buckets, below = [], 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._lag.counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        return HistogramMetricFamily(
            "sth_event_loop_lag_seconds", "How late the event loop was.", buckets=buckets, sum_value=self._lag.total
        )


def _depths(instances: list[Instance]) -> Iterator[Metric]:
    held = GaugeMetricFamily("sth_stream_held_bytes", "Bytes of Instances that nobody has read yet.", labels=["stream"])
    readers = GaugeMetricFamily("sth_stream_readers", "Readers of Instances.", labels=["stream"])
    full = GaugeMetricFamily(
        "sth_stream_writers_held_back", "Instances that wait because a stream is full.", labels=["stream"]
    )
    for stream in READABLE:
        channels = [instance.streams[stream] for instance in instances]
        held.add_metric([stream], sum(channel.size for channel in channels))
        readers.add_metric([stream], sum(channel.readers for channel in channels))
        full.add_metric([stream], sum(channel.is_held for channel in channels))
    yield from (held, readers, full)
