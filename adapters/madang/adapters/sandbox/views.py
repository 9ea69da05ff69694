"""The sandbox's pages as HTML: templates, amounts and links."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from madang.adapters.sandbox.messages import SentMessage
from madang.adapters.sandbox.wording import say
from madang.ports.money import Money

HERE: Final = Path(__file__).parent
LINK: Final = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,)]")
SEOUL: Final = ZoneInfo("Asia/Seoul")


def with_links(text: str) -> Markup:
    """The text, safe to show, its addresses made clickable."""
    pieces, end = [], 0
    for found in LINK.finditer(text):
        pieces += [escape(text[end : found.start()]), Markup('<a href="{0}">{0}</a>').format(found[0])]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def amount_text(amount: Money, language: str) -> str:
    """`9,900원` or `KRW 9,900`."""
    number = f"{amount.to_decimal():,f}"
    if amount.currency == "KRW" and language == "ko":
        return f"{number}원"
    return f"{amount.currency} {number}"


def time_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, SEOUL).strftime("%Y-%m-%d %H:%M:%S")


def message_view(message: SentMessage) -> Mapping[str, Any]:
    """What pages and the JSON lists show of a message."""
    return {
        "id": message.id,
        "key": message.key,
        "recipient": message.recipient,
        "subject": message.subject,
        "text": message.text,
        "details": message.details,
        "status": message.status,
        "time": time_text(message.sent_at),
    }


def render(template: str, language: str, **values: object) -> bytes:
    return _ENVIRONMENT.get_template(template).render(language=language, say=partial(say, language), **values).encode()


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["links"] = with_links
