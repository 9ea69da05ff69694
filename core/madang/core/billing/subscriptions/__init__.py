"""Subscriptions: what renews by our calendar or by a provider's, what it costs, and what happens when it is not paid."""
