"""The Hub's end of a runner's channels."""
