"""What a deployment says about its account at Resend."""

import re
from dataclasses import dataclass

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret
from madang.ports.signing_secrets import is_signing_secret


@dataclass(frozen=True)
class ResendSettings:
    """`api_key` (`re_…`); `sender` is the address that e-mails come from, at a domain verified there, and `sender_name` the
    name beside it. `webhook_secret` (`whsec_…`) makes what Resend reports believable. `proxy` is the address of an HTTP
    proxy; the environment's is not used."""

    api_key: Secret
    sender: str
    sender_name: str | None = None
    webhook_secret: Secret | None = None
    base_url: str = "https://api.resend.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if "@" not in self.sender or any(each in self.sender for each in " <>,\r\n"):
            raise ValueError("sender is local@domain without a name: that goes into sender_name")
        if any(not each.isprintable() for each in self.sender_name or ""):
            raise ValueError("sender_name holds a line break")
        if not re.fullmatch(r"[!-~]+", self.api_key.reveal()):
            raise ValueError("api_key holds a character that no key has, such as a line break")
        if self.webhook_secret is not None and not is_signing_secret(self.webhook_secret):
            raise ValueError("webhook_secret is whsec_ and base64")
