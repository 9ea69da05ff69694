"""The id of the request that is being served: from the edge through the unit of work and the outbox to the provider's call."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Empty outside of any request; `request_id.get` is what the unit of work is given."""


@contextmanager
def serving(identifier: str) -> Iterator[None]:
    """Everything inside works on behalf of this request."""
    token = request_id.set(identifier)
    try:
        yield
    finally:
        request_id.reset(token)
