"""What a deployment says about its Discord channel."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from madang.ports.addresses import is_safe
from madang.ports.secret import Secret


@dataclass(frozen=True)
class DiscordSettings:
    """`webhook_url` is the whole address that Discord shows for the webhook (`https://discord.com/api/webhooks/…`): whoever
    knows it can post, so it is a secret. The channel is fixed by it, and a thread of it by `?thread_id=…`. `proxy` is the
    address of an HTTP proxy; the environment's is not used."""

    webhook_url: Secret
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[!-~]+", self.webhook_url.reveal()):
            raise ValueError("webhook_url is not an address with https:// and without spaces or line breaks")
        address = self.webhook_url.reveal()
        if not is_safe(address, query=True) or "/webhooks/" not in urlsplit(address).path:
            raise ValueError("webhook_url is not an address with https:// and /webhooks/")
