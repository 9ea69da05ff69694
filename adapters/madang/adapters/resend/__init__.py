"""E-mail through Resend's HTTP API."""
