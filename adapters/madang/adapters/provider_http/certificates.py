"""Whose certificates are believed."""

import functools
import ssl

import httpx


@functools.cache
def trust() -> ssl.SSLContext:
    """Reading the certificates takes longer than anything else here: once for a process."""
    return httpx.create_ssl_context(trust_env=False)
