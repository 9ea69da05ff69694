"""Messages in PostgreSQL: the outbox, the inbox, and the actions that are done once."""
