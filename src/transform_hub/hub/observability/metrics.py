"""The Hub's metrics, in the format of Prometheus.

Bytes are counted where streams carry them anyway, and read at a scrape: measuring costs nothing per chunk. Starts and
ends of Instances are counted when they happen. A scrape reads, and writes what it has read, in short turns of the event
loop: there may be thousands of Instances and topics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar, get_args

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Count
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.observability.lag import BOUNDS, LoopLag
from transform_hub.hub.observability.requests import Requests
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.topics.bus import Topic, TopicBus
from transform_hub.hub.turns import Turns
from transform_hub.models import InstanceStatus

STREAMS = ("stdin", "input", "output", "stdout", "stderr")
READABLE = ("output", "stdout", "stderr")
END = b"# EOF\n"
"""The last line of OpenMetrics."""

START_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics(InstanceObserver):
    """All metrics of one Hub, in a registry of its own; it observes Instances."""

    def __init__(
        self,
        instances: Mapping[str, Instance],
        sequences: SequenceStore,
        topics: TopicBus,
        requests: Requests,
        lag: LoopLag,
        *,
        turns: Turns,
    ) -> None:
        self._instances = instances
        self._sequences = sequences
        self._topics = topics
        self._requests = requests
        self._lag = lag
        self._turns = turns
        self._gone: Counter[str] = Counter()
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

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape, and its content type.

        Args:
            accept: the formats that the client accepts.
        """
        encode, content_type = choose_encoder(accept)
        instances, topics = _OfInstances(self._gone.copy()), _OfTopics()
        await self._turns.each(instances.add, [*self._instances.values()])
        await self._turns.each(topics.add, await self._topics.topics())
        lines: list[bytes] = []

        def write(family: Metric, of_topics: bytes = b"") -> None:
            lines.append(encode(_Family(family)).removesuffix(END) + of_topics)

        await self._turns.each(write, [*self._families(), *instances.families()])
        await self._turns.each(lambda each: write(*each), topics.families())
        if content_type.startswith("application/openmetrics-text"):
            lines.append(END)
        return b"".join(lines), content_type

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

    def _families(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        yield from self._of_requests()
        yield GaugeMetricFamily("sth_sequences", "Sequences that are stored.", sum(1 for _ in self._sequences))
        yield self._loop_lag()

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


class _OfInstances:
    """The figures of all Instances; ``traffic`` is that of those that are gone."""

    def __init__(self, traffic: Counter[str]) -> None:
        self._traffic = traffic
        self._states: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._readers: Counter[str] = Counter()
        self._full: Counter[str] = Counter()

    def add(self, instance: Instance) -> None:
        self._traffic.update(instance.streams.traffic)
        if instance.status == "gone":  # since the scrape began, or its bytes would be among those of the gone
            return
        self._states[instance.status] += 1
        for stream in READABLE:
            channel = instance.streams[stream]
            self._held[stream] += channel.size
            self._readers[stream] += channel.readers
            self._full[stream] += channel.is_held

    def families(self) -> Iterator[Metric]:
        states = GaugeMetricFamily("sth_instances", "Instances, by what they are doing.", labels=["status"])
        for status in get_args(InstanceStatus):
            if status != "gone":
                states.add_metric([status], self._states[status])
        yield states
        carried = CounterMetricFamily("sth_stream_bytes", "Bytes carried to and from Instances.", labels=["stream"])
        for stream in STREAMS:
            carried.add_metric([stream], self._traffic[stream])
        yield carried
        for name, text, figures in (
            ("sth_stream_held_bytes", "Bytes of Instances that nobody has read yet.", self._held),
            ("sth_stream_readers", "Readers of Instances.", self._readers),
            ("sth_stream_writers_held_back", "Instances that wait because a stream is full.", self._full),
        ):
            family = GaugeMetricFamily(name, text, labels=["stream"])
            for stream in READABLE:
                family.add_metric([stream], figures[stream])
            yield family


class _OfTopics:
    """The figures of each topic: lines at once, since prometheus_client is slow and there may be thousands."""

    FAMILIES: ClassVar[dict[str, Metric]] = {
        "held": GaugeMetricFamily("sth_topic_held_bytes", "Bytes that a topic holds.", labels=["topic"]),
        "readers": GaugeMetricFamily("sth_topic_readers", "Readers of a topic.", labels=["topic"]),
        "writers": GaugeMetricFamily("sth_topic_writers", "Writers of a topic.", labels=["topic"]),
        "waiting": GaugeMetricFamily(
            "sth_topic_writers_held_back", "Writers that wait because a topic is full.", labels=["topic"]
        ),
        "written": CounterMetricFamily("sth_topic_bytes", "Bytes written to a topic.", labels=["topic"]),
    }

    def __init__(self) -> None:
        self._lines: dict[str, list[bytes]] = {name: [] for name in self.FAMILIES}

    def add(self, topic: Topic) -> None:
        label = topic.name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").encode()
        figures = topic.figures()
        for name, lines in self._lines.items():
            lines.append(b'{topic="%s"} %d\n' % (label, getattr(figures, name)))

    def families(self) -> Iterator[tuple[Metric, bytes]]:
        """Each without samples, and its lines."""
        for name, family in self.FAMILIES.items():
            sample = family.name.encode() + (b"_total" if family.type == "counter" else b"")
            yield family, b"".join([sample + line for line in self._lines[name]])


class _Family:
    """One family, as a registry to those who encode."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family
