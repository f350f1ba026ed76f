"""The same session through STH's ``si`` and our Hub, and through our ``si`` and STH: same words, same answers."""

import json

import pytest

import npm_packages
from until import until_sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * npm_packages.INSTALL_TIMEOUT + 120)]

PYTHON = {
    "package.json": json.dumps(
        {"name": "parrot", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.8"}}
    ),
    "main.py": """
async def run(context, input, greeting):
    context.on("ping", lambda message: context.emit("pong", message))
    context.logger.info("the parrot is here")
    print("on stdout", flush=True)
    async for line in input:
        yield f"{greeting} {context.config['name']} {line}"
""",
}
JAVASCRIPT = {
    "package.json": json.dumps({"name": "parrot", "version": "1.0.0", "main": "index.js", "engines": {"node": ">=16"}}),
    "index.js": """
module.exports = async function (input, greeting) {
    this.on("ping", message => this.emit("pong", message));
    this.logger.info("the parrot is here");
    console.log("on stdout");
    const name = this.config.name;
    return (async function* () {
        for await (const line of input) yield `${greeting} ${name} ${String(line).trimEnd()}\\n`;
    })();
};
""",
}


def first_line(process):
    """What a stream begins with; its reader goes away then."""
    line = process.stdout.readline()
    process.kill()
    process.communicate()
    return line


def test_a_whole_session(pair, tmp_path):
    si, url, language = pair
    place = tmp_path
    folder = place / "parrot"
    folder.mkdir()
    for name, text in {"py": PYTHON, "js": JAVASCRIPT}[language].items():
        (folder / name).write_text(text)

    si("config", "profile", "create", "other")
    si("config", "profile", "use", "other")
    si("config", "set", "apiUrl", url)
    si("config", "set", "log", "--format", "json")
    printed = json.loads(si("config", "print"))
    assert (printed["apiUrl"], printed["env"], printed["log"]["format"]) == (url, "development", "json")
    # The Hub that can be had from npm is 0.18: it tells of an Instance no more than its id, and takes no other orders
    # to stop than control messages.
    is_old = json.loads(si("hub", "version"))["version"].startswith("0.")
    assert json.loads(si("hub", "load"))["memFree"] > 0

    si("seq", "pack", "parrot")
    assert (place / "parrot.tar.gz").exists()
    sequence = json.loads(si("seq", "send", "-"))["_id"]
    assert sequence in [each["id"] for each in json.loads(si("seq", "list"))]
    assert json.loads(si("seq", "get", "-"))["config"]["name"] == "parrot"

    instance = json.loads(si("seq", "start", "-", "--args", '["hello"]', "-s", '{"name": "Polly"}'))["_id"]
    if not is_old:
        assert instance in [each["id"] for each in json.loads(si("inst", "list"))]
        until_sync(lambda: json.loads(si("inst", "info", "-"))["status"] == "running")
        assert json.loads(si("inst", "info", "-"))["args"] == ["hello"]
    assert json.loads(si("inst", "health", "-"))["healthy"] is True

    si("inst", "event", "emit", "-", "ping", '{"a": 1}')
    assert b'{\\"a\\": 1}' in si("inst", "event", "on", "-", "pong")
    (place / "input.txt").write_text("how are you\n")
    si("inst", "input", "-", "input.txt", "-t", "text/plain")
    assert b"hello Polly how are you" in first_line(si.start("inst", "output", "-"))  # an old Hub makes JSON of it
    assert first_line(si.start("inst", "stdout", instance)) == b"on stdout\n"
    assert b"the parrot is here" in log_until(si, "the parrot is here")

    topic = f"topic-{instance[:8]}"
    reader = si.start("topic", "get", topic, "-t", "application/x-ndjson")
    si("topic", "send", topic, "-t", "application/x-ndjson", stdin=b'{"over": true}\n')
    assert json.loads(first_line(reader)) == {"over": True}
    if not is_old:
        assert topic in si("topic", "ls").decode()
        si("inst", "stop", "-", "500")
        until_sync(lambda: json.loads(si("inst", "info", instance))["status"] == "completed")
    else:
        si.try_("inst", "kill", "-")
    second = json.loads(si("seq", "deploy", "parrot", "--args", '["bye"]', "-s", '{"name": "Polly"}'))["_id"]
    assert json.loads(si("inst", "health", second))["healthy"] is True
    assert si.try_("inst", "kill", "-").returncode == 0 or is_old  # it obeys, and answers with something else
    until_sync(lambda: si.try_("seq", "delete", "-").returncode == 0)
    until_sync(lambda: si.try_("seq", "delete", sequence).returncode == 0)
    assert sequence not in si("seq", "list").decode()
    assert si.try_("seq", "get", sequence).returncode != 0


def log_until(si, words):
    process = si.start("inst", "log", "-")
    lines = []
    while words.encode() not in (line := process.stdout.readline()):
        assert line
        lines.append(line)
    process.kill()
    process.communicate()
    return b"".join([*lines, line])
