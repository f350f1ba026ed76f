"""The command lines: ``sth`` runs a Hub, ``si`` talks to one."""
