"""What a deployment says about its account at Stripe."""

import re
from dataclasses import dataclass

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret


@dataclass(frozen=True)
class StripeSettings:
    """`api_key` is the secret key (`sk_…`), or a restricted one (`rk_…`) that may write Checkout Sessions, Refunds and
    Subscriptions and read PaymentIntents, Charges, Invoices and Disputes. `webhook_secret` (`whsec_…`) is the endpoint's, and
    makes what Stripe reports believable. `proxy` is the address of an HTTP proxy; the environment's is not used."""

    api_key: Secret
    webhook_secret: Secret | None = None
    base_url: str = "https://api.stripe.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        for name, secret in (("api_key", self.api_key), ("webhook_secret", self.webhook_secret)):
            if secret is not None and not re.fullmatch(r"[!-~]{8,}", secret.reveal()):
                raise ValueError(f"{name} holds a character that no key has, such as a line break, or is too short")
        if self.api_key.reveal().startswith("pk_"):
            raise ValueError("api_key is the publishable key: Stripe wants the secret one here")
