"""``context.logger`` and what it writes into the Instance's log."""

import time


async def test_levels_and_texts(launch, api, log):
    instance = await launch(r"""
        def run(context, input):
            log = context.logger
            log.log(5, "trace")
            log.debug("debug %s", 1)
            log.info("ä €\n😀")
            log.warning("warning")
            log.error("lone \udcff \ud800")
            log.critical("critical")
    """)
    assert (await api.ended(instance))["status"] == "completed"
    entries = await log(instance)
    assert [(entry["level"], entry["msg"]) for entry in entries] == [
        ("TRACE", "trace"),
        ("DEBUG", "debug 1"),
        ("INFO", "ä €\n😀"),
        ("WARN", "warning"),
        ("ERROR", "lone ? ?"),
        ("CRITICAL", "critical"),
    ]
    for entry in entries:
        assert sorted(entry) == ["from", "level", "msg", "ts"]
        assert entry["from"] == "PythonRunner"
        assert abs(entry["ts"] - time.time() * 1000) < 60_000
    assert await api.read(f"{instance}/stderr") == b""


async def test_exceptions_come_with_their_traceback(launch, log):
    instance = await launch("""
        def run(context, input):
            try:
                1 / 0
            except ZeroDivisionError:
                context.logger.exception("it failed")
    """)
    (entry,) = await log(instance)
    assert entry["level"] == "ERROR"
    assert entry["msg"].startswith("it failed\nTraceback (most recent call last):\n")
    assert entry["msg"].endswith("ZeroDivisionError: division by zero")


async def test_threads_do_not_mix_their_entries(launch, log):
    instance = await launch("""
        import threading
        def run(context, input):
            def work(number):
                for index in range(50):
                    context.logger.info("%d %d %s", number, index, "x" * 5000)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    """)
    words = [entry["msg"].split() for entry in await log(instance)]
    assert len(words) >= 150  # the log keeps the latest MB
    assert all(len(word) == 3 and word[2] == "x" * 5000 for word in words)
    for number in "0123":
        indexes = [int(word[1]) for word in words if word[0] == number]
        assert indexes == sorted(indexes)


async def test_an_entry_that_cannot_be_formatted_harms_nobody(launch, api, log):
    instance = await launch("""
        def run(context, input):
            context.logger.info("%d", "no number")
            context.logger.info("next")
    """)
    assert (await api.ended(instance))["status"] == "completed"
    assert [entry["msg"] for entry in await log(instance)] == ["next"]
    assert b"--- Logging error ---" in await api.read(f"{instance}/stderr")


async def test_other_loggers_write_to_stderr_as_in_any_program(launch, api, log):
    instance = await launch("""
        import logging
        def run(context, input): logging.getLogger("library").warning("look")
    """)
    assert await api.read(f"{instance}/stderr") == b"look\n"
    assert await log(instance) == []
