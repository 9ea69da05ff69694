"""What an incoming webhook can do. Slack tells no id and knows no key: a message whose answer was lost cannot be looked up."""

from typing import Final

from madang.ports.chat import ChatCapabilities

CHAT: Final = ChatCapabilities(
    channels=False,
    threads=False,
    fields=True,
    returns_id=False,
    idempotent=False,
    finds_by_key=False,
    max_length=3000,
    max_fields=10,
)
