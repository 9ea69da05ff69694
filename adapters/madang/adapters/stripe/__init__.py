"""Stripe: payments and subscriptions by Stripe Checkout. https://docs.stripe.com/api"""
