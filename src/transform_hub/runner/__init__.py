"""Runs one Sequence in a process of its own and carries its streams over the link to the Hub."""
