"""The Sequences of a Hub."""
