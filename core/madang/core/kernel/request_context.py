"""On whose behalf we work: the request, from the edge through the unit of work and the outbox to the provider's call, and what
the work is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Empty outside of any request; `request_id.get` is what the unit of work is given."""

work_subject: ContextVar[str] = ContextVar("work_subject", default="")
"""What the message of the outbox is about that is worked on (`portrait:<id>`); empty outside of any, and where it says none."""


@contextmanager
def serving(identifier: str, subject: str = "") -> Iterator[None]:
    """Everything inside works on behalf of this request, on this subject."""
    tokens = request_id.set(identifier), work_subject.set(subject)
    try:
        yield
    finally:
        work_subject.reset(tokens[1])
        request_id.reset(tokens[0])
