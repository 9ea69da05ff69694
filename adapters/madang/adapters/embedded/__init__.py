"""PostgreSQL and Valkey from their PyPI wheels, run in a folder of ours: what `madang up` starts when nothing else is configured."""
