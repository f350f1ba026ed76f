"""Coverage-guided fuzzing: ``python tests/fuzz/run.py NAME [option of libFuzzer ...]``, all of them with ``make fuzz``.

NAME is a module beside this one, which has ``fuzz(data)``, whose errors are defects, and ``seeds()``: good inputs to
begin with. An input that does harm is left in a file ``crash-*``; give it as an argument to run it again.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

name, *options = sys.argv[1:]
with atheris.instrument_imports(include=["transform_hub"]):
    target = importlib.import_module(name)

with tempfile.TemporaryDirectory() as corpus:
    for number, seed in enumerate(target.seeds()):
        Path(corpus, str(number)).write_bytes(seed)
    folder = [corpus] if all(each.startswith("-") for each in options) else []
    atheris.Setup([name, *options, *folder], target.fuzz)
    atheris.Fuzz()
