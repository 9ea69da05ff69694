"""The benchmark and the peers that Madang is measured against: `nox -s bench`, or `python -m bench --help`."""
