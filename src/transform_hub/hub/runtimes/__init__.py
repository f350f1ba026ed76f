"""Where runners are started."""
