"""Starts one runner without a zygote; the spec comes as JSON on stdin."""

from __future__ import annotations

import json
import sys

from transform_hub.runner.process import forget_hub, prepare, start_runner

if __name__ == "__main__":
    forget_hub()
    prepare()
    start_runner(json.load(sys.stdin))
