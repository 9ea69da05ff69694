"""What operators look at in PostgreSQL: audit, alerts, measurements, and what providers cost."""
