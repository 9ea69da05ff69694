"""What puts a kind's values into words: the templates are not the core's affair."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from madang.core.notifications.model import Channel, Letter


class MessageRenderer(Protocol):
    def render(
        self,
        kind: str,
        channel: Channel,
        locale: str,
        values: Mapping[str, str],
        *,
        at: datetime,
        unsubscribe_url: str | None = None,
    ) -> Letter:
        """The message of this kind in the reader's language (English for one that there are no templates in). `values` are
        data, whatever is written in them; `at` is when what it tells of happened. No subject holds a line break."""
        ...
