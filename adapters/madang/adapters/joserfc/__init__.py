"""Signed tokens with the library `joserfc`."""
