"""PostgreSQL and Valkey from their PyPI wheels, in a folder of ours: what `madang up` starts when nothing is configured."""
