"""``python -m transform_hub``: the command ``si``, also where it is not on PATH."""

from transform_hub.cli.si import main

main()
