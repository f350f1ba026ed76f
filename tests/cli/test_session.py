"""Whole sessions with ``si``: what somebody who knows STH's ``si`` types, and what comes of it."""

import json
import os
import signal

import pytest

pytestmark = pytest.mark.slow

ECHO = "def run(context, input):\n    return input\n"


def test_a_session_with_the_words_of_sths_si(si, example, tmp_path):
    packed = si("seq", "pack", example, "-o", tmp_path / "ease.tar.gz").json
    assert packed["files"] == ["main.py", "package.json"]
    assert packed["packedBytes"] == (tmp_path / "ease.tar.gz").stat().st_size
    sequence = si("seq", "send", "-").json
    assert sequence == {"_id": sequence["id"], "id": sequence["id"], "sequenceURL": f"sequence/{sequence['id']}"}
    assert sequence["id"] in [each["id"] for each in si("seq", "ls").json]
    instance = si("seq", "start", "-", "--args", "[3]", "-s", '{"width": 20}').json
    assert instance == {"_id": instance["id"], "id": instance["id"], "instanceURL": f"instance/{instance['id']}"}
    assert si("config", "session").json["lastInstanceId"] == instance["id"]
    si("inst", "input", "-", "-e", stdin=b"It is. A dog barks very loudly at night.\n")
    assert "A dog barks very ..." in si("inst", "output", "-").text
    assert "done: 1 sentences" in si("inst", "stdout", "-").text
    log = [json.loads(line) for line in si("inst", "log", "-").text.splitlines()]
    assert any("reading ease" in entry["msg"] for entry in log)
    assert si("inst", "info", "-").json["terminated"] == {"exitcode": 0, "reason": "Instance completed"}
    assert si("seq", "rm", "-").json == {"id": sequence["id"]}
    assert "no last sequence" in si("seq", "info", "-", code=2).stderr
    assert "no such" not in si("inst", "info", instance["id"]).text


def test_sequences_and_instances_go_by_names_and_by_the_start_of_their_ids(si, folder):
    name = f"named-{os.getpid()}"
    sequence = si("seq", "send", folder(ECHO, name)).json["id"]
    for word in (sequence, sequence[:13], name, name[:-1]):
        assert si("seq", "info", word).json["id"] == sequence
    instance = si("seq", "start", name).json["id"]
    for word in (instance, instance[:13], name):
        assert si("inst", "info", word).json["id"] == instance
    second = si("seq", "send", tmp := folder(ECHO, "again"), "-q").text.strip()
    si("seq", "update", second, tmp)
    twin = folder(ECHO, "twin", files={"package.json": json.dumps({"name": name, "main": "main.py"})})
    other = si("seq", "send", twin).json["id"]
    refused = si("seq", "info", name, code=2).stderr
    assert "several Sequences" in refused
    assert sequence in refused
    assert other in refused
    assert "no Sequence 'nobody'" in si("seq", "info", "nobody", code=3).stderr
    assert "no Instance 'nobody'" in si("inst", "kill", "nobody", code=3).stderr
    assert "404" in si("seq", "info", "00000000-0000-0000-0000-000000000000", code=3).stderr
    assert si("inst", "kill", instance, "--removeImmediately").json["status"] in ("killing", "completed")


def test_quiet_prints_ids_only(si, folder):
    sequence = si("-q", "seq", "send", folder(ECHO)).text
    assert sequence.count("\n") == 1
    instance = si("seq", "start", sequence.strip(), "--quiet").text
    assert instance in si("inst", "ls", "-q").text.splitlines(keepends=True)
    assert si("seq", "deploy", "test", "-q").text.strip()
    si("inst", "kill", "-")


def test_options_of_every_command_stand_anywhere_and_belong_to_a_command_that_has_its_own(si):
    assert si("--format", "pretty", "topic", "ls").text.startswith("There are no topics")
    assert si("topic", "ls", "--format=pretty").text.startswith("There are no topics")
    assert si("topic", "--format", "json", "ls").json == []
    assert "neither pretty nor json" in si("topic", "ls", "--format", "xml", code=2).stderr
    si("config", "set", "log", "--format", "json", "--debug", "false")
    assert si("config", "print").json["log"] == {"debug": False, "format": "json"}
    assert "Traceback" in si.start("inst", "info", "nobody", "--debug").communicate()[1].decode()


def test_a_table_fits_the_terminal_and_keeps_ids_whole(si, folder):
    sequence = si("seq", "send", folder(ECHO, description="word " * 80)).json["id"]
    table = si("seq", "ls", "--format", "pretty", COLUMNS="160").text
    assert sequence in table
    assert max(map(len, table.splitlines())) <= 160
    assert "\x1b" not in table


def test_events_both_ways(si, folder):
    source = (
        "async def run(context, input):\n"
        "    context.on('ask', lambda message: context.emit('answer', {'to': message}))\n"
        "    context.emit('ready', 1)\n"
        "    async for _ in input: pass\n"
    )
    si("seq", "deploy", folder(source))
    assert si("inst", "event", "on", "-", "ready").json == 1
    si("inst", "event", "emit", "-", "ask", '{"a": 1}')
    assert si("inst", "event", "on", "-", "answer").json == {"to": '{"a": 1}'}
    stream = si.start("inst", "event", "on", "-", "answer", "-s")
    while not stream.poll():  # the stream may be opened a moment after the event
        si("inst", "event", "invoke", "-", "ask", '{"a": 1}', "--json")
        os.set_blocking(stream.stdout.fileno(), False)
        if line := stream.stdout.readline():
            break
    assert json.loads(line) == {"to": {"a": 1}}
    stream.send_signal(signal.SIGINT)
    assert stream.communicate()[1] == b""
    assert stream.returncode == 130
    si("inst", "stop", "-", "100")


def test_topics(si):
    assert si("topic", "create", "made", "-t", "text/plain").json == {"id": "made", "contentType": "text/plain"}
    assert "made" in [each["topicName"] for each in si("topic", "ls").json]
    reader = si.start("topic", "get", "made", "-t", "text/plain")
    si("topic", "send", "made", "-t", "text/plain", stdin=b"over\n")
    assert reader.stdout.readline() == b"over\n"
    assert si("topic", "rm", "made").json == {"id": "made"}
    assert reader.wait(10) == 0
    reader.communicate()
    assert "can't name a topic" in si("topic", "get", "no/name", code=2).stderr
    assert "is not one of" in si("topic", "send", "x", "-t", "image/png", code=2).stderr
    assert "404" in si("topic", "rm", "made", code=3).stderr


def test_restart_keeps_the_id(si, folder):
    source = ECHO.replace("input)", "input, *args)")
    instance = si("seq", "deploy", folder(source), "--args", "[1]").json["id"]
    first = si("inst", "health", "-").json["processId"]
    assert si("inst", "restart", "-").json["id"] == instance
    info = si("inst", "info", "-").json
    assert (info["id"], info["args"], info["status"]) == (instance, [1], "running")
    assert si("inst", "health", "-").json["processId"] != first
    si("inst", "kill", "-")


def test_prune_says_what_it_left(lonely, tmp_path, folder):
    lonely("hub", "start", "--detach", "--port", "0", "-D", tmp_path / "sequences")
    try:
        lonely("config", "set", "apiUrl", lonely("hub", "status").json["url"])
        busy = lonely("seq", "send", folder(ECHO, "busy")).json["id"]
        lonely("seq", "start", "-")
        idle = lonely("seq", "send", folder(ECHO, "idle")).json["id"]
        assert lonely("seq", "prune", code=1).json == {"deleted": [idle], "inUse": [busy]}
        assert lonely("seq", "prune", "-f").json == {"deleted": [busy], "inUse": []}
        assert lonely("seq", "ls").json == []
    finally:
        lonely("hub", "stop")
