"""How full this process's machine or container is."""
