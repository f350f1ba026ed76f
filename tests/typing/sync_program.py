"""The public types of the sync clients, frozen: what each call takes and gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

from transform_hub.errors import HubError
from transform_hub.models import (
    AuditRecord,
    Entities,
    HubInfo,
    InstanceHealth,
    InstanceInfo,
    LoadCheck,
    LogEntry,
    ManagerInfo,
    SequenceInfo,
    SpaceInfo,
    Status,
    StoreItem,
    Terminated,
    Topic,
    Version,
)
from transform_hub.sync import (
    TLS,
    CompletedInstance,
    Duplex,
    Follower,
    Gap,
    HostClient,
    InstanceClient,
    ManagerClient,
    MiddlewareClient,
    MultiManagerClient,
    NamedStream,
    Pages,
    Reader,
    SequenceClient,
    TopicClient,
    Writer,
)
from transform_hub.testing import LocalHub, local_hub


def token() -> str:
    return "fresh"


def tell(done: int, total: int | None) -> None:
    print(done, total)


def hosts() -> None:
    HostClient("http://h", token="t", headers={"a": "b"}, timeout=None, tls=TLS(verify=False))
    HostClient("http://h", token=token, idle_timeout=5)
    HostClient("http://h", token=lambda: "fresh", connect_timeout=1)
    assert_type(HostClient.from_env(), HostClient)
    with local_hub() as hub, HostClient(hub.url) as host:
        assert_type(hub, LocalHub)
        assert_type(host, HostClient)
        assert_type(host.url, str)
        assert_type(host.get_version(), Version)
        assert_type(host.get_status(), Status)
        assert_type(host.get_load_check(), LoadCheck)
        assert_type(host.get_config().host.port, int | None)
        assert_type(host.list_sequences(), list[SequenceInfo])
        assert_type(host.list_instances(), list[InstanceInfo])
        assert_type(host.list_entities(), Entities)
        assert_type(host.list_topics(), list[Topic])
        assert_type(host.find_sequences("name"), list[SequenceInfo])
        assert_type(host.get_sequence("name"), SequenceClient)
        assert_type(host.sequence("id"), SequenceClient)
        assert_type(host.instance("id"), InstanceClient)
        assert_type(host.topic("name"), TopicClient)
        assert_type(host.create_topic("name", "text/plain"), TopicClient)
        assert_type(host.get_log(), Reader)
        assert_type(host.get_log(follow=True), Follower)
        assert_type(host.get_audit(), Reader)
        done = host.run("path", args=["a", 1], input=b"x", timeout=5.0, check=True)
        assert_type(done, CompletedInstance)
        assert_type(done.returncode, int)
        assert_type(done.output, bytes)
        assert_type(done.check_returncode(), None)


def sequences(host: HostClient) -> None:
    for source in ("path", Path("path"), b"bytes"):
        assert_type(host.send_sequence(source, progress=tell), SequenceClient)
    sequence = host.sequence("id")
    assert_type(sequence.id, str)
    assert_type(sequence.host, HostClient)
    assert_type(sequence.get_info(), SequenceInfo)
    assert_type(sequence.get_info().config.name, str)
    assert_type(sequence.list_instances(), list[str])
    assert_type(
        sequence.start(args=["a"], app_config={"b": 1}, limits={"memory": 1}, restart="always:3"), InstanceClient
    )
    sequence.overwrite(Path("other"))
    sequence.delete(force=True)


def instances(instance: InstanceClient) -> None:
    assert_type(instance.get_info(), InstanceInfo)
    assert_type(instance.get_info().is_ended, bool)
    assert_type(instance.get_health(), InstanceHealth)
    assert_type(instance.wait(timeout=5), Terminated)
    assert_type(instance.wait_running(), InstanceInfo)
    assert_type(instance.restart(), InstanceClient)
    assert_type(instance.stop(0.5, can_keep_alive=True), InstanceInfo)
    assert_type(instance.kill(remove_immediately=True), InstanceInfo)
    instance.send_event("name", {"a": [1]})
    assert_type(instance.get_event("name", timeout=1), Any)
    assert_type(instance.get_next_event("name"), Any)
    assert_type(instance.get_event_stream("name"), Reader)
    instance.send_input("text", content_type="text/plain", end=False, progress=tell)
    instance.send_stdin(iter([b"a"]))
    with Path("file").open("rb") as file:
        instance.send_input(file)
    instance.send_input(instance.get_output())
    assert_type(instance.get_log(), Reader)
    assert_type(instance.get_log(follow=True), Follower)
    assert_type(instance.get_output(follow=True, reconnect_timeout=5.0, progress=tell), Follower)
    assert_type(instance.get_stdout(follow=True), Follower)
    assert_type(instance.get_stdout(tap=True, idle_timeout=None), Follower)
    assert_type(instance.get_stderr(), Reader)
    assert_type(instance.get_stderr(follow=True).read(), bytes)


def streams(instance: InstanceClient) -> None:
    reader = instance.get_output(idle_timeout=None, progress=tell).open()
    assert_type(reader, Reader)
    assert_type(reader.read(), bytes)
    assert_type(reader.received, int)
    with instance.get_stdout() as stdout:
        assert_type(stdout, Reader)
        for chunk in stdout:
            assert_type(chunk, bytes)
    assert_type(reader.lines(keepends=True), Iterator[str])
    assert_type(reader.text("strict"), Iterator[str])
    assert_type(reader.json(), Iterator[Any])
    assert_type(reader.json(LogEntry), Iterator[LogEntry])
    assert_type(reader.close(), None)
    with instance.open_input("text/plain") as writer:
        assert_type(writer, Writer)
        assert_type(writer.write("text"), None)
        assert_type(writer.send(Path("file")), None)
    assert_type(writer.close(), bytes)
    with instance.inout() as both:
        assert_type(both, Duplex)
        both.write(b"bytes")
        both.close_input()
        for line in both.lines():
            assert_type(line, str)


def topics(host: HostClient) -> None:
    topic = host.topic("name")
    topic.send(["a", b"b"], progress=tell)
    assert_type(topic.open(), Writer)
    assert_type(topic.get(), Reader)
    assert_type(topic.get(tap=True, reconnect_timeout=None), Follower)
    follower = topic.get(follow=True)
    assert_type(follower, Follower)
    for entry in follower.json(LogEntry):
        assert_type(entry, LogEntry | Gap)
        if isinstance(entry, Gap):
            assert_type(entry.seconds, float)
        else:
            assert_type(entry.msg, str)
    for line in follower.lines():
        assert_type(line, str | Gap)
    for record in host.get_audit().json(AuditRecord):
        assert_type(record, AuditRecord)
    topic.delete()


def managers() -> None:
    with MiddlewareClient("https://m", token="t") as middleware:
        assert_type(middleware.list_spaces(), list[SpaceInfo])
        assert_type(middleware.manager("space"), ManagerClient)
    with MultiManagerClient("https://m") as multi:
        assert_type(multi.list_managers(), list[ManagerInfo])
        assert_type(multi.start_manager({"id": "x"}), ManagerClient)
    manager = ManagerClient("https://m")
    assert_type(manager.host("hub"), HostClient)
    assert_type(manager.topic("name"), NamedStream)
    assert_type(manager.list_hosts(), Pages[HubInfo])
    assert_type(list(manager.list_hosts(limit=5)), list[HubInfo])
    for hub in manager.list_hosts():
        assert_type(hub, HubInfo)
    assert_type(manager.list_store_items(), list[StoreItem])
    assert_type(manager.get_log(follow=True), Follower)


def tested(hub: LocalHub) -> None:
    assert_type(hub.client, HostClient)
    assert_type(hub.run("path", input="text", check=True), CompletedInstance)
    assert_type(hub.send("path"), SequenceClient)
    assert_type(hub.start("path", args=[1]), InstanceClient)


def errors(error: HubError) -> str:
    return str(error)
