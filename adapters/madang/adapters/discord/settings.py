"""What a deployment says about its Discord channel."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from madang.ports.secret import Secret

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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
        try:
            parts = urlsplit(self.webhook_url.reveal())
            safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        except ValueError:
            safe, parts = False, urlsplit("")
        if not safe or not parts.hostname or parts.username is not None or "/webhooks/" not in parts.path:
            raise ValueError("webhook_url is not an address with https:// and /webhooks/")
