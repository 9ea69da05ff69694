"""A place on this machine's disk where bytes wait while they are looked at."""
