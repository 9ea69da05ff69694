"""What a deployment says about its account at PayPal."""

import re
from dataclasses import dataclass

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret


@dataclass(frozen=True)
class PaypalSettings:
    """`client_id` and `client_secret` of the app, and `webhook_id` of the webhook that is registered for our address: PayPal
    signs for that id. `base_url` is `https://api-m.sandbox.paypal.com` for its sandbox. `brand` is shown at the checkout.
    `disputes`: the app has PayPal's feature of this name, and a payment that is disputed shows so. `proxy` is the address of an
    HTTP proxy; the environment's is not used.
    """

    client_id: str
    client_secret: Secret
    webhook_id: str
    base_url: str = "https://api-m.paypal.com"
    brand: str | None = None
    disputes: bool = False
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        for name, value in (("client_id", self.client_id), ("client_secret", self.client_secret.reveal())):
            if not re.fullmatch(r"[!-~]+", value):
                raise ValueError(f"{name} is empty, or holds a character that none has, such as a line break")
        if not re.fullmatch(r"[a-zA-Z0-9]{1,50}", self.webhook_id):
            raise ValueError("webhook_id is the id of a webhook, such as 8PT597110X687430LKGECATA")
        if self.brand is not None and not 1 <= len(self.brand) <= 127:
            raise ValueError("brand has 1 to 127 characters")
