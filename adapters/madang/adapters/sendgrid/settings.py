"""What a deployment says about its account at SendGrid."""

import base64
import re
from dataclasses import dataclass
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret

_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""How every public key on the curve P-256 begins (SubjectPublicKeyInfo), before its two numbers of 32 bytes."""


@dataclass(frozen=True)
class SendgridSettings:
    """`api_key` (`SG.…`) with the permission Mail Send; `sender` is the address that e-mails come from, verified there, and
    `sender_name` the name beside it.

    `webhook_key` is the verification key of the signed event webhook, a public key: it makes what SendGrid reports
    believable. `base_url` is `https://api.eu.sendgrid.com` for a subuser in the EU. `proxy` is the address of an HTTP proxy;
    the environment's is not used.
    """

    api_key: Secret
    sender: str
    sender_name: str | None = None
    webhook_key: str | None = None
    base_url: str = "https://api.sendgrid.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if "@" not in self.sender or any(each in self.sender for each in " <>,\r\n"):
            raise ValueError("sender is local@domain without a name: that goes into sender_name")
        if any(not each.isprintable() for each in self.sender_name or ""):
            raise ValueError("sender_name holds a line break")
        if not re.fullmatch(r"[!-~]+", self.api_key.reveal()):
            raise ValueError("api_key holds a character that no key has, such as a line break")
        if self.webhook_key is not None and not _is_public_key(self.webhook_key):
            raise ValueError("webhook_key is the verification key of the event webhook, in base64")


def _is_public_key(text: str) -> bool:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return key.startswith(_P256) and len(key) == len(_P256) + 64
