"""Payments and subscriptions through PayPal's REST API."""
