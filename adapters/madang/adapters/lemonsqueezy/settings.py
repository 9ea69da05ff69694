"""What a deployment says about its store at Lemon Squeezy."""

import re
from dataclasses import dataclass

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret


@dataclass(frozen=True)
class LemonSqueezySettings:
    """`store_id` and `variant_id` are numbers: the variant of a one-time product, whose name and price each checkout sets anew.
    Subscriptions have variants of their own, in the catalogue's prices. `signing_secret` is the webhook's. `proxy` is the
    address of an HTTP proxy; the environment's is not used.
    """

    api_key: Secret
    store_id: str
    variant_id: str
    signing_secret: Secret
    base_url: str = "https://api.lemonsqueezy.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        for name, value in (("api_key", self.api_key), ("signing_secret", self.signing_secret)):
            if not re.fullmatch(r"[!-~]+", value.reveal()):
                raise ValueError(f"{name} is empty, or holds a character that none has, such as a line break")
        for name, number in (("store_id", self.store_id), ("variant_id", self.variant_id)):
            if not re.fullmatch(r"[1-9][0-9]{0,18}", number):
                raise ValueError(f"{name} is a number")
