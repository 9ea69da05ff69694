"""PostgreSQL, the one source of truth: tables, migrations, unit of work, repositories, invariants."""
