"""What people who run a Hub see of it."""
