"""What a deployment says about its Slack channel."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from madang.ports.addresses import is_safe
from madang.ports.secret import Secret


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
        address = self.webhook_url.reveal()
        if not is_safe(address, query=True) or len(urlsplit(address).path) < 2:
            raise ValueError("webhook_url is not an address with https:// and a path")
