"""Credits: an append-only double-entry ledger of what was granted, held, spent and ended."""
