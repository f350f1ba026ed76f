"""Runs one Sequence in its own process and carries its streams over the link to the Hub."""
