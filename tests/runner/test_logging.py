"""``context.logger`` and what it writes into the Instance's log."""

import time

import pytest

from needs import needs


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


async def test_other_loggers_write_to_stderr_as_in_any_program_and_to_the_log(launch, api, log):
    instance = await launch("""
        import logging
        def run(context, input):
            logging.getLogger("library").warning("look")
            logging.getLogger("library").info("below the level of the root logger")
    """)
    assert await api.read(f"{instance}/stderr") == b"look\n"
    assert [(entry["from"], entry["level"], entry["msg"]) for entry in await log(instance)] == [
        ("library", "WARN", "look")
    ]


CONFIGURATIONS = {
    "basicConfig": "logging.basicConfig(level='DEBUG', format='%(message)s')",
    "dictConfig": "logging.config.dictConfig({'version': 1, 'root': {'level': 'DEBUG', 'handlers': ['out']}, "
    "'handlers': {'out': {'class': 'logging.StreamHandler'}}})",
    "a handler of ones own": "logging.root.addHandler(logging.StreamHandler()); logging.root.setLevel('DEBUG')",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_a_configuration_has_the_effect_it_has_in_any_program(name, launch, api, log):
    instance = await launch(f"""
        import logging.config
        {CONFIGURATIONS[name]}
        def run(context, input):
            logging.getLogger("a.b").debug("deep")
            context.logger.getChild("part").info("once")
            context.logger.info("too")
    """)
    await api.ended(instance)
    entries = [(entry["from"], entry["level"], entry["msg"]) for entry in await log(instance)]
    assert [entry for entry in entries if entry[0] != "asyncio"] == [
        ("a.b", "DEBUG", "deep"),
        ("PythonRunner.part", "INFO", "once"),
        ("PythonRunner", "INFO", "too"),
    ]
    assert (await api.read(f"{instance}/stderr")).splitlines()[-1] == b"deep"


async def test_extra_becomes_fields(launch, log):
    instance = await launch("""
        import datetime, logging
        class Thing:
            def __repr__(self): return "<thing>"
        def run(context, input):
            extra = {"user": 5, "at": datetime.date(2024, 1, 2), "thing": Thing()}
            context.logger.info("one", extra=extra)
            logging.getLogger("x").error("two", extra={"rows": [1, 2]})
    """)
    assert [entry.get("data") for entry in await log(instance)] == [
        {"user": 5, "at": "2024-01-02", "thing": "<thing>"},
        {"rows": [1, 2]},
    ]


async def test_a_traceback_has_the_frames_of_the_sequence_only(launch, log):
    instance = await launch("""
        import logging
        def fail(): return 1 / 0
        async def run(context, input):
            @context.on("go")
            def listen(message): fail()
            try:
                fail()
            except ZeroDivisionError:
                logging.getLogger("x").exception("it failed")
            await context._deliver("go", None)
    """)
    for entry in await log(instance):
        files = [line for line in entry["msg"].splitlines() if line.startswith("  File ")]
        assert len(files) == 2 if entry["from"] == "x" else len(files) >= 2
        assert all("main.py" in line for line in files)


async def test_loguru(launch, log):
    needs("loguru")
    instance = await launch("""
        from loguru import logger
        def run(context, input):
            logger.remove()
            logger.add(context.log_handler, format="{message}")
            logger.bind(user=5).warning("hello")
            try:
                1 / 0
            except ZeroDivisionError:
                logger.exception("it failed")
    """)
    hello, failed = await log(instance)
    assert (hello["level"], hello["msg"], hello["data"]) == ("WARN", "hello", {"user": 5})
    assert failed["level"] == "ERROR"
    assert failed["msg"].startswith("it failed\nTraceback")


async def test_structlog(launch, log):
    needs("structlog")
    instance = await launch("""
        import structlog
        structlog.configure(
            processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        def run(context, input):
            structlog.get_logger("etl").bind(user=5).warning("hello", rows=3)
    """)
    (entry,) = await log(instance)
    assert (entry["from"], entry["level"], entry["msg"], entry["data"]) == (
        "etl",
        "WARN",
        "hello",
        {"user": 5, "rows": 3},
    )
