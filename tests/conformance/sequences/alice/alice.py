import json
from pathlib import Path


async def run(context, input):
    for name in json.loads((Path(__file__).parent / "data.json").read_text()):
        print(f"Hello {name}!", flush=True)
        yield f"Hello {name}!\n"
