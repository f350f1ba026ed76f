"""Topics: the bus, local topics, and what feeds them."""
