"""Payments and refunds, whatever the provider."""
