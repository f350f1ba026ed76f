"""The streams of Instances and topics, and the link to the runners that they come over."""
