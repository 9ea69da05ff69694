"""A webhook as it arrived, before anybody believes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """The raw request: signatures are over bytes, so `body` is exactly what came. Header names are lower case."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
