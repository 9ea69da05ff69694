"""The portraits product in PostgreSQL."""
