"""Invoices and credit notes: what they say, when they are issued, and how they read."""
