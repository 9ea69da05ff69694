"""Webhooks over HTTP: those that providers send us, and those that we send to clients."""
