"""What a webhook can do. Discord knows no key: a message whose answer was lost cannot be looked up."""

from typing import Final

from madang.ports.chat import ChatCapabilities

CHAT: Final = ChatCapabilities(
    channels=False,
    threads=False,
    fields=True,
    returns_id=True,
    idempotent=False,
    finds_by_key=False,
    max_length=2000,
    max_fields=10,
)
