"""What users hand over: it runs in their thread, may block, and holds nobody else up."""

import io
import os
import signal
import threading

import pytest

from transform_hub import errors
from transform_hub.sync import HostClient
from transform_hub.sync.handover import options_of, sendable, token_of
from transform_hub.testing import local_hub

SHOUT = """
async def run(context, input):
    async for line in input:
        yield line.upper()
"""


def test_each_chunk_is_sent_when_it_is_there(start):
    """The next chunk is made of the answer to the one before, which could not come if chunks were held back."""
    instance = start(SHOUT)
    answers = instance.get_output().lines()
    threads = set()

    def talk():
        threads.add(threading.current_thread())
        yield "one\n"
        answer = next(answers)
        assert answer == "ONE"
        yield ""
        yield answer + "two\n"
        assert next(answers) == "ONETWO"

    instance.send_input(talk(), content_type="text/plain")
    assert threads == {threading.current_thread()}


def test_many_small_chunks(start):
    instance = start()
    received = []
    reading = threading.Thread(target=lambda: received.append(instance.get_output().read()))
    reading.start()
    instance.send_input(b"%d\n" % number for number in range(300_000))
    reading.join(30)
    assert received[0] == b"".join(b"%d\n" % number for number in range(300_000))


def test_chunks_are_not_made_ahead_of_who_takes_them(start):
    instance = start("async def run(context, input):\n    import asyncio\n    await asyncio.Event().wait()")
    made = []

    def endless():
        while True:
            made.append(len(made))
            yield b"x" * 1_000_000
            if len(made) == 4:  # buffers on the way hold some more
                instance.kill()

    with pytest.raises(errors.InstanceEndedError):
        instance.send_input(endless())
    assert len(made) < 50


def test_an_iterable_that_fails(start):
    instance = start()

    def chunks():
        yield b"one"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        instance.send_input(chunks())
    with pytest.raises(TypeError, match="A chunk must be bytes or str, not int"):
        instance.send_input(iter([1]))


def test_ctrl_c_in_an_iterable(start, client):
    def chunks():
        yield b"one"
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        start().send_input(chunks())
    assert client.get_version()


def test_a_pipe_that_others_write(start):
    instance = start(SHOUT)
    reading, writing = os.pipe()
    with instance.get_output() as output, os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb", 0) as other:
        sending = threading.Thread(target=lambda: instance.send_input(pipe, content_type="text/plain"))
        sending.start()
        answers = output.lines()
        for word in ("one", "two"):
            other.write(f"{word}\n".encode())
            assert next(answers) == word.upper()
        other.close()
        sending.join(10)
        assert list(answers) == []


def test_a_named_pipe(start, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    instance = start()
    sending = threading.Thread(target=lambda: instance.send_input(path))
    sending.start()
    with path.open("wb") as pipe:
        pipe.write(b"through the pipe")
    assert instance.get_output().read() == b"through the pipe"
    sending.join(10)


def test_a_text_file_is_text(start, tmp_path):
    path = tmp_path / "words"
    path.write_text("zwölf\n", encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        assert sendable(file).content_type == "text/plain"
        instance = start(SHOUT)
        instance.send_input(file)
    assert instance.get_output().read() == "ZWÖLF\n".encode()
    assert sendable(io.BytesIO(b"x")).content_type == "application/octet-stream"
    assert sendable("text") == "text"
    with pytest.raises(TypeError, match="Can't send"):
        instance.send_input({"a": 1})


def test_a_stream_of_another_instance_is_sent(start):
    first, second = start(), start()
    first.send_input(b"from one to the other")
    second.send_input(first.get_output())
    assert second.get_output().read() == b"from one to the other"


def test_progress_is_told_in_the_callers_thread(start, package, client):
    data = package("def run(context, input): return input")
    told = []

    def tell(done, total):
        told.append((done, total, threading.current_thread()))

    client.send_sequence(data, progress=tell)
    assert told[-1] == (len(data), len(data), threading.current_thread())
    told.clear()
    start().send_input(iter([b"a" * 100_000] * 10), progress=tell)
    assert told[-1][0] == 1_000_000


def test_progress_that_fails_ends_the_call(start):
    def fail(done, total):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        start().send_input(b"x" * 5_000_000, progress=fail)


def test_a_token_function_may_block():
    threads = []
    with local_hub(token="s3cret") as hub:

        def fresh():
            threads.append(threading.current_thread())
            with HostClient(hub.url, token="s3cret") as other:  # as somebody would who asks a server for it
                other.get_version()
            return "s3cret"

        with HostClient(hub.url, token=fresh) as host:
            assert host.list_sequences() == []
            assert threads == [threading.current_thread()]

        async def later():
            return "s3cret"

        assert HostClient(hub.url, token=later).list_sequences() == []


def test_what_is_left_as_it_is():
    assert token_of("text") == "text"
    assert token_of(None) is None
    assert options_of({"timeout": 5, "token": "x"}) == {"timeout": 5, "token": "x"}
