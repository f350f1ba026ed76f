"""Sequences: sent in every form, listed, started with every option, deleted."""

import io
import json
import tarfile
import uuid

import pytest

from transform_hub.errors import ConflictError, NotFoundError, UnprocessableError
from transform_hub.package import pack


@pytest.fixture
def archive(target):
    file = io.BytesIO()
    pack(target.example("greeting"), file)
    return file.getvalue()


async def in_pieces(data, size=100):
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


@pytest.mark.parametrize("form", ["directory", "path", "bytes", "file", "pieces"])
async def test_sending(host, target, archive, tmp_path, form):
    file = tmp_path / "sequence.tar.gz"
    file.write_bytes(archive)
    with file.open("rb") as opened:
        source = {
            "directory": target.example("greeting"), "path": str(file), "bytes": archive, "file": opened,
            "pieces": in_pieces(archive),
        }[form]  # fmt: skip
        sequence = await host.send_sequence(source)
    info = await sequence.get_info()
    assert (info.id, info.config.name, info.config.version) == (sequence.id, "greeting", "1.0.0")
    assert info.instances == []


async def test_listing_and_deleting(host, target):
    sequence = await host.send_sequence(target.example("map"))
    assert sequence.id in [found.id for found in await host.list_sequences()]
    assert await sequence.list_instances() == []
    await sequence.delete()
    assert sequence.id not in [found.id for found in await host.list_sequences()]
    with pytest.raises(NotFoundError):
        await sequence.get_info()


@pytest.mark.parametrize("package", [b"", b"no archive", "empty", "broken", "no main"])
async def test_a_package_that_is_refused(host, package):
    if isinstance(package, str):
        content = {"empty": None, "broken": b"{", "no main": json.dumps({"name": "x"}).encode()}[package]
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            if content is not None:
                entry = tarfile.TarInfo("package.json")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        package = file.getvalue()
    before = len(await host.list_sequences())
    with pytest.raises(UnprocessableError) as failure:
        await host.send_sequence(package)
    assert failure.value.status == 422
    assert len(await host.list_sequences()) == before


async def test_arguments_and_configuration(start):
    instance = await start("greeting", args=["Ada", "Zoë"], app_config={"greeting": "Ahoj"})
    assert await instance.get_output().read() == "Ahoj, Ada!\nAhoj, Zoë!\n".encode()


@pytest.mark.beyond("instance id")
async def test_an_id_of_ones_own(start, host):
    own = str(uuid.uuid4())
    instance = await start("events", instance_id=own)
    assert instance.id == own
    assert (await instance.get_health()).healthy is True


@pytest.mark.beyond("instance id")
async def test_an_id_that_is_taken(start, host, target):
    instance = await start("events", instance_id=str(uuid.uuid4()))
    other = await host.send_sequence(target.example("events"))
    with pytest.raises(ConflictError):
        await other.start(instance_id=instance.id)


async def test_instances_of_a_sequence(host, target):
    sequence = await host.send_sequence(target.example("events"))
    instances = [await sequence.start() for _ in range(2)]
    assert sorted(await sequence.list_instances()) == sorted(instance.id for instance in instances)
    assert sorted((await sequence.get_info()).instances) == sorted(instance.id for instance in instances)


async def test_a_sequence_in_use_is_not_deleted(start, host):
    instance = await start("events")
    sequence = next(found for found in await host.list_sequences() if instance.id in found.instances)
    with pytest.raises(ConflictError):
        await host.delete_sequence(sequence.id)
    assert (await instance.get_health()).healthy is True


@pytest.mark.beyond("force")
async def test_deleting_by_force(start, host):
    instance = await start("events")
    sequence = next(found for found in await host.list_sequences() if instance.id in found.instances)
    await host.delete_sequence(sequence.id, force=True)
    with pytest.raises(NotFoundError):
        await host.get_sequence_info(sequence.id)
