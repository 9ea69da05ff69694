"""What a deployment says about its account at Paddle."""

import re
from dataclasses import dataclass

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret


@dataclass(frozen=True)
class PaddleSettings:
    """`webhook_secret` is the notification destination's. `base_url` is `https://sandbox-api.paddle.com` for Paddle's sandbox.

    `checkout_url` is a page of yours on an approved domain that has Paddle.js; without it, it is the account's default payment
    link. `tax_mode` is `external` (tax on top of our prices) or `internal` (within them), and of prices that leave it to the
    account it says what the account has. `tax_category` must be enabled for the account. `webhook_tolerance` is how old a
    webhook may be, in seconds. `proxy` is the address of an HTTP proxy; the environment's is not used.
    """

    api_key: Secret
    webhook_secret: Secret
    base_url: str = "https://api.paddle.com"
    checkout_url: str | None = None
    tax_mode: str = "external"
    tax_category: str = "standard"
    webhook_tolerance: int = 300
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        for name, value in (("api_key", self.api_key), ("webhook_secret", self.webhook_secret)):
            if not re.fullmatch(r"[!-~]+", value.reveal()):
                raise ValueError(f"{name} is empty, or holds a character that none has, such as a line break")
        if self.checkout_url is not None and not re.fullmatch(r"https?://[!-~]{1,2040}", self.checkout_url):
            raise ValueError("checkout_url is not the address of a page")
        if self.tax_mode not in ("external", "internal"):
            raise ValueError("tax_mode is external or internal")
        if not re.fullmatch(r"[a-z-]{1,60}", self.tax_category):
            raise ValueError("tax_category is one of Paddle's, such as standard, saas or digital-goods")
        if not 5 <= self.webhook_tolerance <= 14_400:
            raise ValueError("webhook_tolerance is 5 to 14400 seconds")

    @property
    def inclusive(self) -> bool:
        """Whether a price of ours holds the tax."""
        return self.tax_mode == "internal"
