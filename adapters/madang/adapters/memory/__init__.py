"""Providers that keep everything in the process: nothing is sent, stored or shown anywhere, and all is gone at the end."""
