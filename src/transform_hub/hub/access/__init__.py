"""Who may use a Hub."""
