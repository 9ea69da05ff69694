"""Accounts over HTTP: signing in, security, keys, and who is who."""
