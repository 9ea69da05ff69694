"""What a deployment says about its store at PortOne."""

import re
from dataclasses import dataclass
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret
from madang.ports.signing_secrets import is_signing_secret

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
PAY_METHODS: Final = frozenset(
    {"CARD", "VIRTUAL_ACCOUNT", "TRANSFER", "MOBILE", "GIFT_CERTIFICATE", "EASY_PAY", "CONVENIENCE_STORE"}
)
BILLING_METHODS: Final = frozenset({"CARD", "MOBILE", "EASY_PAY", "TRANSFER"})


@dataclass(frozen=True)
class PortOneSettings:
    """`api_secret` (for V2), `store_id` (`store-…`) and `channel_key` (`channel-key-…`) from the console; `webhook_secret`
    (`whsec_…`) of the webhooks of version 2024-04-25. `billing_channel_key` is the channel for cards that are kept, where that
    is another.

    `pay_method` and `billing_method` are what the windows open with. `proxy` is the address of an HTTP proxy; the environment's
    is not used.
    """

    api_secret: Secret
    store_id: str
    channel_key: str
    webhook_secret: Secret
    billing_channel_key: str | None = None
    pay_method: str = "CARD"
    billing_method: str = "CARD"
    base_url: str = "https://api.portone.io"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if not re.fullmatch(r"[!-~]+", self.api_secret.reveal()):
            raise ValueError("api_secret holds a character that none has, such as a line break")
        for name, value in (("store_id", self.store_id), ("channel_key", self.channel_key)):
            if not _NAME.fullmatch(value):
                raise ValueError(f"{name} holds a character that none has")
        if self.billing_channel_key is not None and not _NAME.fullmatch(self.billing_channel_key):
            raise ValueError("billing_channel_key holds a character that none has")
        if not is_signing_secret(self.webhook_secret):
            raise ValueError("webhook_secret is whsec_ and base64")
        if self.pay_method not in PAY_METHODS or self.billing_method not in BILLING_METHODS:
            raise ValueError(
                f"pay_method is one of {', '.join(sorted(PAY_METHODS))}, "
                f"billing_method one of {', '.join(sorted(BILLING_METHODS))}"
            )
