"""One transaction: what is loaded, changed and announced in it is committed together or not at all."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from madang.core.kernel.actions import ActionRepository
from madang.core.kernel.events import Event
from madang.core.kernel.messages import NewMessage

U_co = TypeVar("U_co", covariant=True)


class UnitOfWork(Protocol):
    """Leaving its context without an exception commits; an exception rolls everything back.

    Each context extends this Protocol by its repositories; the engine's one unit of work fulfils them all.
    """

    @property
    def actions(self) -> ActionRepository: ...

    def send(self, message: NewMessage) -> None:
        """Record work that must follow (outbox): it is written with the commit and carries the request's id."""
        ...

    def announce(self, event: Event) -> None:
        """Record a fact: every subscribed topic gets a message with the event's payload, and the event's owner is told, in the
        same commit."""
        ...


class UnitOfWorkFactory(Protocol[U_co]):
    """Opens a unit of work: `async with units() as uow: …`."""

    def __call__(self) -> AbstractAsyncContextManager[U_co]: ...
