"""E-mail through SendGrid's HTTP API."""
