"""What a deployment says about its shop at Toss Payments."""

import re
from dataclasses import dataclass
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret

METHODS: Final = frozenset(
    {"CARD", "TRANSFER", "VIRTUAL_ACCOUNT", "MOBILE_PHONE", "CULTURE_GIFT_CERTIFICATE", "FOREIGN_EASY_PAY"}
)
"""What the payment window can be opened with, as Toss's browser SDK (version 2) calls it."""


@dataclass(frozen=True)
class TossSettings:
    """`secret_key` (`test_sk…`, `live_sk…`) and `client_key` (`test_ck…`, `live_ck…`) of one shop: the pair for the payment
    window and automatic payments, not the pair for the widget (`…gsk…`, `…gck…`). Whether money moves is in the keys.

    `method` is what the payment window opens with: cards and wallets by default. `proxy` is the address of an HTTP proxy; the
    environment's is not used.
    """

    secret_key: Secret
    client_key: str
    method: str = "CARD"
    base_url: str = "https://api.tosspayments.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if not re.fullmatch(r"[!-9;-~]+", self.secret_key.reveal()):
            raise ValueError("secret_key holds a character that none has, such as a colon or a line break")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.client_key):
            raise ValueError("client_key holds a character that none has")
        if "_sk" in self.client_key or "_gsk" in self.client_key:
            raise ValueError("client_key is a secret key, which no browser may see")
        if self.method not in METHODS:
            raise ValueError(f"method is one of {', '.join(sorted(METHODS))}")
