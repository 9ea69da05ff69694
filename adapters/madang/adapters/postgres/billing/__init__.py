"""Money in PostgreSQL: payments, subscriptions, credits, invoices and payment plans."""
