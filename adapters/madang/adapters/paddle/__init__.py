"""Payments and subscriptions through Paddle Billing, which sells in its own name."""
