"""Which runners get which events, encoded and written how often."""

import asyncio
import itertools
import shutil

import pytest

from transform_hub.hub.instances import listeners
from transform_hub.hub.instances.listeners import Listeners
from transform_hub.protocol import NAMES_LIMIT, NAMES_SIZE_LIMIT
from until import until


class Receiver:
    """An Instance and its run, as far as Listeners know them."""

    def __init__(self, id):
        self.id, self.run = id, self
        self.queued, self.writes = [], []

    def queue_event(self, line):
        self.queued.append(line)
        return True

    def flush_events(self):
        self.writes.append(self.queued)
        self.queued = []


@pytest.fixture
def receivers():
    return [Receiver(f"{number}") for number in range(4)]


@pytest.fixture
def all_of(receivers):
    known = Listeners()
    for receiver in receivers:
        known.expect(receiver)
    return known


def test_who_has_told_nothing_gets_all_and_others_what_they_listen_to(all_of, receivers):
    untold, a, both, none = receivers
    all_of.add(a, ["a"])
    all_of.add(both, ["a"])
    all_of.add(both, ["b"])
    all_of.add(none, [])
    assert [all_of.of(name) for name in "abc"] == [[a, both, untold], [both, untold], [untold]]
    all_of.expect(both)  # a restart
    assert all_of.of("c") == [untold, both]


@pytest.mark.parametrize(
    "names", [None, [f"{number}" for number in range(NAMES_LIMIT + 1)], ["x" * NAMES_SIZE_LIMIT, "y"]]
)
def test_too_many_names_mean_all_for_good(names, all_of, receivers):
    first, *others = receivers
    for other in others:
        all_of.add(other, [])
    all_of.add(first, ["a"])
    all_of.add(first, names)
    all_of.add(first, ["b"])
    assert all_of.of("anything") == [first]


def test_the_end_leaves_nothing_behind(all_of, receivers):
    for receiver in receivers[1:]:
        all_of.add(receiver, ["a", "b"])
    all_of.add(receivers[3], None)
    for receiver in receivers:
        all_of.remove(receiver)
        all_of.add(receiver, ["late"])
    assert not any(vars(all_of)[name] for name in ("_names", "_sizes", "_by_name", "_untold", "_of_all", "_queued"))


async def test_many_events_are_encoded_once_and_written_together(all_of, receivers, monkeypatch):
    encoded = []
    monkeypatch.setattr(listeners, "event_line", lambda name, message, source: encoded.append(message) or b"line")
    source, *others = receivers
    for number in range(100):
        all_of.tell(source, "a", number)
    await until(lambda: all(receiver.writes for receiver in others))
    assert encoded == [*range(100)]
    assert [receiver.writes for receiver in receivers] == [[]] + [[[b"line"] * 100]] * 3


async def test_a_turn_of_the_event_loop_writes_to_few(all_of, monkeypatch):
    monkeypatch.setattr(listeners, "WRITES", 2)
    source, *others = [Receiver(f"{number}") for number in range(20)]
    known = Listeners()
    for receiver in others:
        known.expect(receiver)
    known.tell(source, "a", 1)
    written = [0]
    while written[-1] < len(others):
        await asyncio.sleep(0)
        written.append(sum(len(receiver.writes) for receiver in others))
    assert max(after - before for before, after in itertools.pairwise(written)) == 2


def names_of(hub, instance):
    return hub.instances._listeners._names.get(hub.instances[instance.rpartition("/")[2]])


async def test_python_runners_tell_what_they_listen_to(api, hub, package):
    instance = await api.start(
        await api.send(
            package("""
                async def run(context, input):
                    context.on("first", lambda message: context.on("later", print))
                    context.on("first", print)
                    async for _ in input: pass
            """)
        )
    )
    await until(lambda: names_of(hub, instance) == {"first"})
    assert (await api.post(f"{instance}/_event", [5001, {"eventName": "first"}])).status == 200
    await until(lambda: names_of(hub, instance) == {"first", "later"})


async def test_javascript_runners_tell_what_they_listen_to(api, hub, package):
    if shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    source = """
        module.exports = async function* (input) {
            this.on("first", () => this.on("later", () => {}));
            for await (const item of input) yield item;
        }"""
    archive = package(files={"main.js": source}, main="main.js", engines={"node": ">=18"})
    instance = await api.start(await api.send(archive))
    await until(lambda: names_of(hub, instance) == {"first"})
    assert (await api.post(f"{instance}/_event", [5001, {"eventName": "first"}])).status == 200
    await until(lambda: names_of(hub, instance) == {"first", "later"})
