"""Instances and topics that outlive their Hub."""
