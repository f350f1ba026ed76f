"""Turns each line of its input into capital letters."""


def run(context, input):
    return input.map(str.upper)
