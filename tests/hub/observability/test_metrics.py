"""What /metrics says of a Hub, its Instances, streams and topics."""

import asyncio
import re
import time
from pathlib import Path

import aiohttp
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from transform_hub.hub.observability.lag import INTERVAL
from transform_hub.hub.server import serve
from until import until

DOCS = Path(__file__).parents[3] / "docs"
ECHO = "def run(context, input): return input"
MANY = """
async def run(context, input):
    while True: yield "x" * 100_000
"""
FAILS = "def run(context, input): raise ValueError('no')"


class Figures:
    """The samples of one scrape."""

    def __init__(self, text):
        self.families = list(text_string_to_metric_families(text))
        self._values = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name, **labels):
        return self._values[(name, *sorted(labels.items()))]


async def scrape(api):
    answer = await api.get("/metrics")
    assert answer.status == 200
    return Figures(answer.text)


async def scraped(api, reached):
    """The first scrape of which something is true."""

    async def figures():
        figures = await scrape(api)
        return reached(figures) and figures

    return await until(figures)


async def test_instances_are_counted_by_state_start_and_end(api, package):
    running = await api.start(await api.send(package(ECHO)))
    failed = await api.start(await api.send(package(FAILS)))
    await api.ended(failed)
    figures = await scrape(api)
    assert (figures("sth_instances", status="running"), figures("sth_instances", status="errored")) == (1, 1)
    assert figures("sth_instances", status="completed") == 0
    assert figures("sth_instance_start_seconds_count") == 2
    assert figures("sth_instance_start_seconds_sum") > 0
    reason = "Sequence failed during execution"
    assert figures("sth_instance_ends_total", status="errored", reason=reason) == 1
    await api.post(f"{running}/_kill", {})
    await api.ended(running)
    figures = await scrape(api)
    assert figures("sth_instance_ends_total", status="completed", reason="Instance killed") == 1
    assert figures("sth_sequences") == 2


async def test_a_start_that_fails_is_counted(api, hub, package, monkeypatch):
    async def launch(*_):
        raise OSError(12, "Cannot allocate memory")

    sequence = await api.send(package(ECHO))
    monkeypatch.setattr(hub.runtime, "launch", launch)
    assert (await api.post(f"/sequence/{sequence}/start", {})).status == 500
    figures = await scrape(api)
    assert (figures("sth_instance_starts_refused_total"), figures("sth_instance_start_seconds_count")) == (1, 0)


async def test_bytes_still_count_when_an_instance_is_gone(api, package):
    instance = await api.start(await api.send(package(ECHO)))
    await api.input(instance, b"12345\n")
    assert await api.read(f"{instance}/output") == b"12345\n"
    figures = await scrape(api)
    assert [figures("sth_stream_bytes_total", stream=name) for name in ("input", "output", "stdin")] == [6, 6, 0]
    await api.post(f"{instance}/_kill", {"removeImmediately": True})
    await api.answers(instance, 404)
    figures = await scrape(api)
    assert [figures("sth_stream_bytes_total", stream=name) for name in ("input", "output")] == [6, 6]


async def test_what_streams_hold_and_whom_they_hold_back(api, hub, package):
    instance = await api.start(await api.send(package(MANY)))
    figures = await scraped(api, lambda figures: figures("sth_stream_writers_held_back", stream="output"))
    assert figures("sth_stream_held_bytes", stream="output") >= 1 << 20
    assert figures("sth_stream_held_bytes", stream="stdout") == 0
    async with api.session.get(f"{hub.url}{instance}/output"):
        figures = await scrape(api)
        assert figures("sth_stream_readers", stream="output") == 1
        assert figures("sth_requests_open", operation="instances.get_stream") == 1
    await scraped(api, lambda figures: not figures("sth_requests_open", operation="instances.get_stream"))


async def test_topics_have_figures_of_their_own(api, hub):
    await api.post("/topic/full", b"12345\n", content_type="text/plain")
    _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    head = (
        "POST /api/v1/topic/full HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 9000000\r\n"
    )
    writer.write(head.encode() + b"\r\n" + (b"x" * 99_999 + b"\n") * 40)
    figures = await scraped(api, lambda figures: figures("sth_topic_writers_held_back", topic="full"))
    assert figures("sth_topic_held_bytes", topic="full") >= 1 << 20
    assert (figures("sth_topic_writers", topic="full"), figures("sth_topic_readers", topic="full")) == (1, 0)
    assert figures("sth_requests_open", operation="topics.send_topic") == 1
    writer.transport.abort()
    async with api.session.get(f"{hub.url}/topic/full", headers={"content-type": "text/plain"}) as reader:
        await reader.content.readexactly(3_000_000)  # so that there is room: a writer that waits is not watched
        figures = await scraped(api, lambda figures: not figures("sth_topic_writers", topic="full"))
    assert figures("sth_topic_bytes_total", topic="full") >= 1 << 20
    assert figures("sth_requests_total", operation="topics.send_topic", status="200") == 1


async def test_a_loop_that_is_held_up_is_late(api, hub):
    start = await scrape(api)
    time.sleep(INTERVAL + 1.1)
    figures = await scraped(
        api, lambda now: now("sth_event_loop_lag_seconds_count") > start("sth_event_loop_lag_seconds_count")
    )
    late = figures("sth_event_loop_lag_seconds_count") - figures("sth_event_loop_lag_seconds_bucket", le="1.0")
    assert late >= 1
    assert figures("sth_event_loop_lag_seconds_bucket", le="+Inf") == figures("sth_event_loop_lag_seconds_count")


async def test_two_hubs_do_not_share_figures(api, tmp_path, api_of, package):
    await api.send(package(ECHO))
    async with serve(data_dir=tmp_path / "other") as other:
        assert (await scrape(api_of(other, api.session)))("sth_sequences") == 0


async def test_both_formats_are_served_and_both_paths(api, hub):
    wanted = "application/openmetrics-text; version=1.0.0"
    async with api.session.get(f"http://127.0.0.1:{hub.port}/metrics", headers={"Accept": wanted}) as answer:
        assert answer.content_type == "application/openmetrics-text"
        assert "sth_instances" in {family.name for family in open_metrics(await answer.text())}


async def test_metrics_take_a_token_that_may_read(tmp_path, api_of):
    tokens = tmp_path / "tokens"
    tokens.write_text("watcher:read-only:a-token-that-is-long-enough\n")
    tokens.chmod(0o600)
    async with serve(data_dir=tmp_path / "hub", token_file=tokens) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        assert (await api.get("/metrics")).status == 401
        assert (await api.get("/metrics", authorization="Bearer a-token-that-is-long-enough")).status == 200
        for path in ("livez", "readyz"):
            async with session.get(f"http://127.0.0.1:{hub.port}/{path}") as answer:
                assert (answer.status, await answer.text()) == (200, "ok")


async def test_every_metric_stands_in_the_documentation(api, hub, package):
    await api.post("/topic/any", b"x\n", content_type="text/plain")
    await api.ended(await api.start(await api.send(package(FAILS))))
    rows = (DOCS / "operations.md").read_text().partition("## Metrics")[2].partition("\n## ")[0]
    documented = {name for row in rows.splitlines() for name in re.findall(r"`(sth_\w+)`", row.split(" | ")[0])}
    there = {
        family.name if family.type != "counter" else f"{family.name}_total"
        for family in (await scrape(api)).families
        if not family.name.endswith("_created")
    }
    assert there == documented


async def test_a_hub_is_not_ready_before_it_is_told_so_and_when_it_ends(tmp_path, api_of):
    from transform_hub.hub.config import HubConfig
    from transform_hub.hub.server import Hub

    hub = Hub(HubConfig(port=0, data_dir=tmp_path))
    async with aiohttp.ClientSession() as session:
        await hub.start(ready=False)
        try:
            ready, ending = hub.readiness.begin, hub.readiness.drain
            for go_on, reason in ((None, "The Hub is starting up"), (ready, None), (ending, "The Hub is ending")):
                if go_on is not None:
                    go_on()
                async with session.get(f"http://127.0.0.1:{hub.port}/readyz") as answer:
                    assert answer.status == (503 if reason else 200)
                    assert reason is None or (await answer.json())["error"] == reason
                async with session.get(f"http://127.0.0.1:{hub.port}/livez") as answer:
                    assert answer.status == 200
        finally:
            await hub.close()


async def test_topics_are_told_each_in_both_formats(api, hub):
    await hub.topics.topic("back\\slash", "text/plain")
    await api.post("/topic/other", b"line\n", content_type="text/plain")
    figures = await scrape(api)
    assert figures("sth_topic_readers", topic="back\\slash") == 0
    assert figures("sth_topic_bytes_total", topic="other") == 5
    answer = await api.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    (family,) = [family for family in open_metrics(answer.text) if family.name == "sth_topic_bytes"]
    assert (family.type, {sample.labels["topic"]: sample.value for sample in family.samples}) == (
        "counter", {"back\\slash": 0, "other": 5},
    )  # fmt: skip
