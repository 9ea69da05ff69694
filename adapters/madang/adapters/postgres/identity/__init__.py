"""People in PostgreSQL: users, sessions, keys and tokens."""
