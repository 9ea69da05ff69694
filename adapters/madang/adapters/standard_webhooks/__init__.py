"""Webhooks signed by the scheme of Standard Webhooks, which several providers share."""
