"""The portraits product over HTTP: its calls, its result page, and its catalogue."""
