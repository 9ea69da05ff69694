"""What a deployment says about its account at Solapi."""

import re
from dataclasses import dataclass
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret

_NUMBER: Final = re.compile(r"\+82\d{7,12}|0?\d[\d-]{6,14}")


@dataclass(frozen=True)
class SolapiSettings:
    """`api_key` and `api_secret` from Solapi's or CoolSMS's console; `sender` is a number registered there, as the console
    shows it (`02-1234-5678`, `15881234`) or with its country (`+821012345678`). `proxy` is the address of an HTTP proxy; the
    environment's is not used."""

    api_key: Secret
    api_secret: Secret
    sender: str
    base_url: str = "https://api.solapi.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if not _NUMBER.fullmatch(self.sender):
            raise ValueError("sender is a Korean telephone number")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.api_key.reveal()):
            raise ValueError("api_key holds a character that no key has, such as a line break")
        if not re.fullmatch(r"[!-~]+", self.api_secret.reveal()):
            raise ValueError("api_secret holds a character that no secret has, such as a line break")
