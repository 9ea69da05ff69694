"""What a deployment says about its Slack channel."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from madang.ports.secret import Secret

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class SlackSettings:
    """`webhook_url` is the whole address that Slack shows for the webhook (`https://hooks.slack.com/services/…`): whoever
    knows it can post, so it is a secret. The channel is fixed by it. `proxy` is the address of an HTTP proxy; the
    environment's is not used."""

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
        if not safe or not parts.hostname or parts.username is not None or len(parts.path) < 2:
            raise ValueError("webhook_url is not an address with https:// and a path")
