"""What a deployment says about its account at Twilio."""

import re
from dataclasses import dataclass
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret

SENDER: Final = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 +_&-]{0,10}")
"""A number in E.164, a short code, or a name of up to eleven characters."""


@dataclass(frozen=True)
class TwilioSettings:
    """`account_sid` (`AC…`), and either its `auth_token` or an API key of it (`api_key_sid` (`SK…`) with `api_key_secret`).

    `sender` is a number of the account in E.164, a short code or an alphanumeric name; `messaging_service_sid` (`MG…`) lets
    Twilio choose among that service's senders. One of the two is needed. `proxy` is the address of an HTTP proxy; the
    environment's is not used.
    """

    account_sid: str
    auth_token: Secret | None = None
    api_key_sid: str | None = None
    api_key_secret: Secret | None = None
    sender: str | None = None
    messaging_service_sid: str | None = None
    base_url: str = "https://api.twilio.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if not _is_sid("AC", self.account_sid):
            raise ValueError("account_sid is AC and 32 hexadecimal digits")
        self._check_keys()
        if self.sender is None and self.messaging_service_sid is None:
            raise ValueError("sender or messaging_service_sid is needed")
        if self.sender is not None and not SENDER.fullmatch(self.sender):
            raise ValueError("sender is a number in E.164, a short code, or a name of up to eleven characters")
        if self.messaging_service_sid is not None and not _is_sid("MG", self.messaging_service_sid):
            raise ValueError("messaging_service_sid is MG and 32 hexadecimal digits")

    def _check_keys(self) -> None:
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise ValueError("api_key_sid and api_key_secret belong together")
        if (self.auth_token is None) == (self.api_key_secret is None):
            raise ValueError("either auth_token or api_key_sid with api_key_secret is needed")
        if self.api_key_sid is not None and not _is_sid("SK", self.api_key_sid):
            raise ValueError("api_key_sid is SK and 32 hexadecimal digits")
        secret = self.auth_token or self.api_key_secret
        if secret is None or not re.fullmatch(r"[!-~]+", secret.reveal()):
            raise ValueError("auth_token or api_key_secret holds a character that none has, such as a line break")


def _is_sid(prefix: str, value: str) -> bool:
    return re.fullmatch(rf"{prefix}[0-9a-fA-F]{{32}}", value) is not None
