"""The secrets that sign webhooks: what a deployment may set for them.

Source: the specification of Standard Webhooks, which wants 24 to 64 bytes.
"""

import base64
from typing import Final

from madang.ports.secret import Secret

LEAST_BYTES: Final = 16
"""Fewer than the specification wants; providers have given out shorter ones."""


def is_signing_secret(secret: Secret) -> bool:
    """`whsec_` and base64, padded or not."""
    written = secret.reveal().removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(written + "=" * (-len(written) % 4), validate=True)
    except ValueError:
        return False
    return len(key) >= LEAST_BYTES
