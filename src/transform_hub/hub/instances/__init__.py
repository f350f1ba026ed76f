"""Instances: each one's life, what is kept of it, and how it outlives its Hub."""
