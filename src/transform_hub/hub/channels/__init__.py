"""The stream primitive: one bounded channel of bytes with positions."""
