"""Money over HTTP: checkouts, payments, subscriptions, credits, invoices and payment plans."""
