"""Payments through PortOne (API V2)."""
