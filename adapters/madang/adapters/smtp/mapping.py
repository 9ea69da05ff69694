"""A server's reply codes as errors of ours, by what was being said. Pure: no clock, no network.

Source: RFC 5321 §4.2 and §4.3.2 (reply codes), RFC 4954 (535 and its like), RFC 3463 and 5248 (enhanced codes). The text
beside a code is the server's own and may repeat an address, so only the codes are kept.
"""

import re
from enum import Enum
from typing import Final

from madang.adapters.smtp.message import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, Rejected, Unavailable

WANTS_KEYS: Final = frozenset({530, 534, 535, 538})
"""Authentication required, mechanism too weak, credentials invalid, encryption required: whatever was being said."""
TOO_LARGE: Final = frozenset({523, 552})
TOO_MANY: Final = frozenset({"4.5.3", "5.5.3"})
_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Stage(Enum):
    """How far the talk was. Until the content is being handed over, surely nothing is sent."""

    GREETING = "greeting"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


_REASONS: Final = {
    Stage.SENDER: "invalid_sender",
    Stage.RECIPIENT: "invalid_recipient",
    Stage.CONTENT: "invalid_request",
}


def refused(stage: Stage, code: int, text: str, operation: str) -> PortError:
    """The error of a reply. A reply is an answer: even after the content, a refusal says that nothing was taken."""
    if not 400 <= code < 600:
        return lost(stage, "the reply cannot be read", operation)
    enhanced = _ENHANCED.match(text)
    shown = f"{code} {enhanced[1]}" if enhanced else str(code)
    if code in WANTS_KEYS:
        message = "the server wants another username and password, or TLS"
        return Misconfigured(message, provider=NAME, operation=operation, code=shown)
    if stage is Stage.RECIPIENT and enhanced and enhanced[1] in TOO_MANY:
        message = "the server takes fewer recipients at once"
        return Rejected(message, reason="too_many_recipients", provider=NAME, operation=operation, code=shown)
    if code < 500:
        return Unavailable(f"the server puts it off ({stage.value})", provider=NAME, operation=operation, code=shown)
    if stage in (Stage.GREETING, Stage.LOGIN):
        return Misconfigured("the server does not talk to us", provider=NAME, operation=operation, code=shown)
    reason = "too_large" if code in TOO_LARGE and stage is not Stage.RECIPIENT else _REASONS[stage]
    return Rejected(f"the server refuses the {stage.value}", reason=reason, provider=NAME, operation=operation, code=shown)


def lost(stage: Stage, what: str, operation: str) -> PortError:
    """The error of a silence or a lost connection: from the content on, it may have been taken."""
    if stage is Stage.CONTENT:
        return OutcomeUnknown(f"the answer was lost: {what}", provider=NAME, operation=operation)
    return Unavailable(f"the connection was lost ({stage.value}): {what}", provider=NAME, operation=operation)
