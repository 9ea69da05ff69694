"""Payments and subscriptions through Lemon Squeezy, which sells in its own name."""
