"""Unexpected errors, reported to Sentry."""
