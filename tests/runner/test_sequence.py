"""How a Sequence's file is loaded, and what it finds around it."""

import pytest


async def test_args_reach_run(result):
    source = "def run(context, input, *args): return repr(args)"
    output, _ = await result(source, args=["ä", 1.5, None, True, {"a": [0]}, ""])
    assert output.decode() == "('ä', 1.5, None, True, {'a': [0]}, '')"


async def test_app_config_and_id_are_in_the_context(result):
    source = "import json\ndef run(context, input): return json.dumps([context.config, context.instance_id])"
    output, info = await result(source, appConfig={"a": {"b": [1, None]}})
    assert output.decode() == f'[{{"a": {{"b": [1, null]}}}}, "{info["id"]}"]'


async def test_config_is_empty_without_app_config(result):
    output, _ = await result("def run(context, input): return repr((context.config, input.name))")
    assert output == b"({}, 'input')"


async def test_files_beside_main_are_found_while_it_is_loaded(result):
    files = {"data.txt": "from a file", "sibling.py": "name = 'a sibling'"}
    source = """
        import sys, os
        from sibling import name
        text = open("data.txt").read()
        def run(context, input):
            return [text, " and ", name, " ", str(sys.argv == [os.path.join(os.getcwd(), "main.py")])]
    """
    assert (await result(source, files=files))[0] == b"from a file and a sibling True"


async def test_main_in_a_folder_has_that_folder_as_its_own(result):
    files = {
        "src/app/start.py": """
            import beside
            text = open("data.txt").read()
            import vendored
            def run(context, input): return text + beside.name + vendored.name
        """,
        "src/app/data.txt": "data ",
        "src/app/beside.py": "name = 'beside '",
        "__pypackages__/vendored/__init__.py": "name = 'vendored'",
    }
    assert (await result("", files=files, main="src/app/start.py"))[0] == b"data beside vendored"


async def test_vendored_packages_come_before_everything(result):
    files = {"__pypackages__/yaml.py": "name = 'vendored'", "__pypackages__/msgspec.py": "name = 'vendored'"}
    source = "import yaml, msgspec\ndef run(context, input): return [yaml.name, msgspec.name]"
    assert (await result(source, files=files))[0] == b"vendoredvendored"


async def test_a_sibling_may_be_called_sequence_and_import_main(result):
    files = {"sequence.py": "import main\ndef loads(): return main.loads"}
    source = """
        loads = globals().get("loads", 0) + 1
        def run(context, input):
            import sequence
            return str((sequence.loads(), __name__))
    """
    assert (await result(source, files=files))[0] == b"(1, 'main')"


async def test_main_may_be_called_like_a_loaded_module(result):
    source = "import json\ndef run(context, input): return json.dumps(['json of the library'])"
    output, _ = await result("", files={"socket.py": source}, main="socket.py")
    assert output == b'["json of the library"]'


FAILURES = {
    "syntax": ("def run(context, input) return", "SyntaxError: "),
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "no run": ("def start(): pass", "ImportError: main.py defines no function run(context, input, *args)"),
    "run is no function": ("run = 1", "ImportError: main.py defines no function run(context, input, *args)"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_a_file_that_cannot_be_loaded(kind, launch, api, log):
    source, error = FAILURES[kind]
    instance = await launch(source)
    info = await api.ended(instance)
    assert info["status"] == "errored"
    assert info["terminated"] == {"exitcode": 22, "reason": "Sequence failed on start"}
    assert info["error"].startswith(error)
    stderr = (await api.read(f"{instance}/stderr")).decode()
    assert stderr.startswith(("Traceback", "ImportError: main.py defines no function"))
    assert error in stderr
    assert [entry["level"] for entry in await log(instance)] == ["ERROR"]
    assert await api.read(f"{instance}/output") == b""
