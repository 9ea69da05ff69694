"""A user's files over HTTP."""
