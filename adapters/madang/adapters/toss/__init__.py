"""Payments through Toss Payments (core API, version 2022-11-16)."""
