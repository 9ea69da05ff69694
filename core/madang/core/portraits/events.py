"""What portraits announce."""

from typing import Final

from madang.core.kernel.events import Event
from madang.core.portraits.model import Portrait

PORTRAIT_CHANGED: Final = "portraits.portrait_changed"
"""A job reached another state. Payload: `portrait_id`, `status`."""


def portrait_changed(portrait: Portrait) -> Event:
    return Event(PORTRAIT_CHANGED, portrait.subject, {"portrait_id": str(portrait.id), "status": portrait.status.value})
