"""HTTP, worker and command line: they compose everything and decide nothing."""
