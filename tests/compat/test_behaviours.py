"""Behaviours that STH's own scenarios promise, in both languages."""

import asyncio

import pytest

HELLO = {
    "python": """
        from scramjet.streams import Stream
        async def run(context, input): return Stream.from_iterable(["Hello python runner!"])
    """,
    "javascript": """
        const { Readable } = require("stream");
        module.exports = () => Readable.from(["Hello javascript runner!"]);
    """,
}
UNREAD = {
    "python": """
        import asyncio
        async def run(context, input):
            context.on("ping", lambda message: context.emit("pong", message))
            await asyncio.sleep(1000)
    """,
    "javascript": """
        module.exports = function (input) {
            this.on("ping", (message) => this.emit("pong", message));
            return new Promise(() => {});
        }
    """,
}
UNHEALTHY = {
    "python": """
        def run(context, input):
            context.set_health_check(lambda: {"healthy": False})
            return input
    """,
    "javascript": """
        module.exports = function (input) {
            this.addMonitoringHandler(() => ({ healthy: false }));
            return input;
        }
    """,
}
LANGUAGES = pytest.mark.parametrize("language", ["python", "javascript"])


@pytest.fixture
def start(launch, launch_js):
    return {"python": launch, "javascript": launch_js}


@LANGUAGES
async def test_the_output_of_hello_is_raw(language, start, api):
    instance = await start[language](HELLO[language])
    assert await api.read(f"{instance}/output") == f"Hello {language} runner!".encode()


async def endless():
    while True:
        yield b"x" * 65536


@LANGUAGES
async def test_events_arrive_while_stdin_that_nobody_reads_is_flooded(language, start, api):
    instance = await start[language](UNREAD[language])
    flood = asyncio.ensure_future(api.post(f"{instance}/stdin", endless(), content_type="application/octet-stream"))
    await api.until(f"{instance}/health", lambda health: health["traffic"]["stdin"] > 100_000)
    for number in range(3):
        await api.post(f"{instance}/_event", [5001, {"eventName": "ping", "message": number}])
        await api.until(f"{instance}/event/pong", lambda message, number=number: message == number)
    flood.cancel()


@LANGUAGES
async def test_an_unhealthy_sequence_is_reported_at_once(language, start, api):
    instance = await start[language](UNHEALTHY[language])
    assert (await api.get(f"{instance}/health")).json["healthy"] is False
