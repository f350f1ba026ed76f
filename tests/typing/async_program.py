"""The public types of the async clients, frozen: what each call takes and gives."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from typing_extensions import assert_type

from transform_hub import (
    TLS,
    CompletedInstance,
    Follower,
    Gap,
    HostClient,
    Hub,
    HubError,
    InstanceClient,
    ManagerClient,
    MiddlewareClient,
    MultiManagerClient,
    Reader,
    SequenceClient,
    TopicClient,
    Writer,
    serve,
)
from transform_hub.client import Duplex, NamedStream, Pages
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


async def token() -> str:
    return "fresh"


def tell(done: int, total: int | None) -> None:
    print(done, total)


async def hosts() -> None:
    HostClient("http://h", token="t", headers={"a": "b"}, timeout=None, tls=TLS(verify=False))
    HostClient("http://h", token=token, idle_timeout=5)
    HostClient("http://h", token=lambda: "fresh", connect_timeout=1)
    assert_type(HostClient.from_env(), HostClient)
    async with serve(port=0) as hub, HostClient(hub.url) as host:
        assert_type(hub, Hub)
        assert_type(host, HostClient)
        assert_type(host.url, str)
        assert_type(await host.get_version(), Version)
        assert_type(await host.get_status(), Status)
        assert_type(await host.get_load_check(), LoadCheck)
        assert_type((await host.get_config()).host.port, int | None)
        assert_type(await host.list_sequences(), list[SequenceInfo])
        assert_type(await host.list_instances(), list[InstanceInfo])
        assert_type(await host.list_entities(), Entities)
        assert_type(await host.list_topics(), list[Topic])
        assert_type(await host.find_sequences("name"), list[SequenceInfo])
        assert_type(await host.get_sequence("name"), SequenceClient)
        assert_type(host.sequence("id"), SequenceClient)
        assert_type(host.instance("id"), InstanceClient)
        assert_type(host.topic("name"), TopicClient)
        assert_type(await host.create_topic("name", "text/plain"), TopicClient)
        assert_type(host.get_log(), Reader)
        assert_type(host.get_log(follow=True), Follower)
        assert_type(host.get_audit(), Reader)
        done = await host.run("path", args=["a", 1], input=b"x", timeout=5.0, check=True)
        assert_type(done, CompletedInstance)
        assert_type(done.returncode, int)
        assert_type(done.output, bytes)
        assert_type(done.check_returncode(), None)


async def sequences(host: HostClient) -> None:
    for source in ("path", Path("path"), b"bytes"):
        assert_type(await host.send_sequence(source, progress=tell), SequenceClient)
    sequence = host.sequence("id")
    assert_type(sequence.id, str)
    assert_type(sequence.host, HostClient)
    assert_type(await sequence.get_info(), SequenceInfo)
    assert_type((await sequence.get_info()).config.name, str)
    assert_type(await sequence.list_instances(), list[str])
    assert_type(
        await sequence.start(args=["a"], app_config={"b": 1}, limits={"memory": 1}, restart="always:3"), InstanceClient
    )
    await sequence.overwrite(Path("other"))
    await sequence.delete(force=True)


async def instances(instance: InstanceClient) -> None:
    assert_type(await instance.get_info(), InstanceInfo)
    assert_type((await instance.get_info()).is_ended, bool)
    assert_type(await instance.get_health(), InstanceHealth)
    assert_type(await instance.wait(timeout=5), Terminated)
    assert_type(await instance.wait_running(), InstanceInfo)
    assert_type(await instance.restart(), InstanceClient)
    assert_type(await instance.stop(0.5, can_keep_alive=True), InstanceInfo)
    assert_type(await instance.kill(remove_immediately=True), InstanceInfo)
    await instance.send_event("name", {"a": [1]})
    assert_type(await instance.get_event("name", timeout=1), Any)
    assert_type(await instance.get_next_event("name"), Any)
    assert_type(instance.get_event_stream("name"), Reader)
    await instance.send_input("text", content_type="text/plain", end=False, progress=tell)
    await instance.send_stdin(iter([b"a"]))
    with Path("file").open("rb") as file:
        await instance.send_input(file)
    await instance.send_input(instance.get_output())
    assert_type(instance.get_log(), Reader)
    assert_type(instance.get_log(follow=True), Follower)
    assert_type(instance.get_output(follow=True, reconnect_timeout=5.0, progress=tell), Follower)
    assert_type(instance.get_stdout(follow=True), Follower)
    assert_type(instance.get_stdout(tap=True, idle_timeout=None), Follower)
    assert_type(instance.get_stderr(), Reader)
    assert_type(await instance.get_stderr(follow=True).read(), bytes)


async def streams(instance: InstanceClient) -> None:
    reader = await instance.get_output(idle_timeout=None, progress=tell)
    assert_type(reader, Reader)
    assert_type(await reader.read(), bytes)
    assert_type(reader.received, int)
    async with instance.get_stdout() as stdout:
        assert_type(stdout, Reader)
        async for chunk in stdout:
            assert_type(chunk, bytes)
    assert_type(reader.lines(keepends=True), AsyncIterator[str])
    assert_type(reader.text("strict"), AsyncIterator[str])
    assert_type(reader.json(), AsyncIterator[Any])
    assert_type(reader.json(LogEntry), AsyncIterator[LogEntry])
    assert_type(await reader.close(), None)
    async with instance.open_input("text/plain") as writer:
        assert_type(writer, Writer)
        assert_type(await writer.write("text"), None)
        assert_type(await writer.send(Path("file")), None)
    assert_type(await writer.close(), bytes)
    async with instance.inout() as both:
        assert_type(both, Duplex)
        await both.write(b"bytes")
        await both.close_input()
        async for line in both.lines():
            assert_type(line, str)


async def topics(host: HostClient) -> None:
    topic = host.topic("name")
    await topic.send(["a", b"b"], progress=tell)
    assert_type(topic.open(), Writer)
    assert_type(topic.get(), Reader)
    assert_type(topic.get(tap=True, reconnect_timeout=None), Follower)
    follower = topic.get(follow=True)
    assert_type(follower, Follower)
    async for entry in follower.json(LogEntry):
        assert_type(entry, LogEntry | Gap)
        if isinstance(entry, Gap):
            assert_type(entry.seconds, float)
        else:
            assert_type(entry.msg, str)
    async for line in follower.lines():
        assert_type(line, str | Gap)
    async for record in host.get_audit().json(AuditRecord):
        assert_type(record, AuditRecord)
    await topic.delete()


async def managers() -> None:
    async with MiddlewareClient("https://m", token="t") as middleware:
        assert_type(await middleware.list_spaces(), list[SpaceInfo])
        assert_type(middleware.manager("space"), ManagerClient)
    async with MultiManagerClient("https://m") as multi:
        assert_type(await multi.list_managers(), list[ManagerInfo])
        assert_type(await multi.start_manager({"id": "x"}), ManagerClient)
    manager = ManagerClient("https://m")
    assert_type(manager.host("hub"), HostClient)
    assert_type(manager.topic("name"), NamedStream)
    assert_type(manager.list_hosts(), Pages[HubInfo])
    assert_type(await manager.list_hosts(limit=5), list[HubInfo])
    async for hub in manager.list_hosts():
        assert_type(hub, HubInfo)
    assert_type(await manager.list_store_items(), list[StoreItem])
    assert_type(manager.get_log(follow=True), Follower)


def errors(error: HubError) -> str:
    return str(error)
