"""What the worker asks of its outbox beyond the kernel's contract: several short messages finished in one commit."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from madang.core.kernel.outbox import Leased, Outbox

U_co = TypeVar("U_co", covariant=True)


class Together(Protocol[U_co]):
    """One open transaction in which messages are worked off one after the other."""

    def finish(self, leased: Leased) -> AbstractAsyncContextManager[U_co]:
        """A unit of work of this message's own (its own request id); it and "done" are committed with the others'."""
        ...


class WorkerOutbox(Outbox[U_co], Protocol[U_co]):
    def together(self) -> AbstractAsyncContextManager[Together[U_co]]:
        """Commits every message finished in it with its own state, or none of them.

        Raises `LeaseLost` at the end when one of the leases is lost; then nothing was committed.
        """
        ...
