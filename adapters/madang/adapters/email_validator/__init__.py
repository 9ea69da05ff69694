"""E-mail addresses by email-validator."""
