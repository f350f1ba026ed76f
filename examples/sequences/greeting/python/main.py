"""Needs no input. Its whole output is one text."""


def run(context, input, *names):
    greeting = context.config.get("greeting", "Hello")
    return "".join(f"{greeting}, {name}!\n" for name in names)
