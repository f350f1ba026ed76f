"""What an operator can observe: log, audit, metrics, health."""
