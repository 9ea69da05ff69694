"""What becomes of a message whose try failed: put back for later, or given up with its compensation."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.messages import Failure, Handler, Message
from madang.core.kernel.outbox import Leased, Outbox
from madang.ports.errors import OutcomeUnknown, Unavailable

log = structlog.get_logger(__name__)

_COMPENSATION_RETRY = 60.0
_STORE_AGAIN_AFTER = 0.5


class OutOfTime(OutcomeUnknown):
    """The try took longer than its topic allows: what it was doing may have been done."""

    kind = "out_of_time"


class NoHandler(Unavailable):
    """No product that this worker runs knows the topic."""

    kind = "no_handler"


def crashed_too_often(message: Message, handler: Handler[Any]) -> bool:
    """Claims that ended neither in success nor in a failure are workers that died with it; this claim is not one of them."""
    return message.attempt - message.failures > handler.topic.max_crashes


async def settle(outbox: Outbox[Any], handler: Handler[Any], leased: Leased, error: BaseException, *, patience: float) -> None:
    """Record the failure, also when the database is away for up to `patience` seconds; later the end of the lease does it."""
    message = leased.message
    delay = handler.topic.retry.next_delay(message.failures + 1, error)
    failure = Failure.of(error)
    facts = {"kind": failure.kind, "provider": failure.provider, "code": failure.code, "failures": message.failures + 1}
    if delay is None:
        log.error("message given up", **facts, exc_info=_unexpected(failure, error))
        await patiently(lambda: give_up(outbox, handler, leased, failure), patience)
    else:
        log.warning("message put back", **facts, delay=delay, exc_info=_unexpected(failure, error))
        await patiently(lambda: outbox.put_back(leased, failure, delay=delay), patience)


async def give_up(outbox: Outbox[Any], handler: Handler[Any], leased: Leased, failure: Failure) -> None:
    """Dead, and compensated in the same commit. A compensation that fails is tried again later: never dead without it."""
    try:
        async with outbox.bury(leased, failure) as uow:
            if handler.give_up is not None:
                await handler.give_up(uow, leased.message, failure)
    except LeaseLost:
        raise
    except Exception as error:
        log.exception("giving up failed, it will be tried again", error=type(error).__name__)
        await outbox.put_back(leased, failure, delay=_COMPENSATION_RETRY)


async def patiently(write: Callable[[], Awaitable[None]], patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            await write()
            return
        except LeaseLost:
            log.warning("lease lost while recording a failure")
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease ends and another try follows
            if time.monotonic() > deadline:
                log.warning("failure not recorded, the lease will end", error=type(error).__name__)
                return
            await asyncio.sleep(_STORE_AGAIN_AFTER)


def _unexpected(failure: Failure, error: BaseException) -> BaseException | None:
    return error if failure.kind == "unexpected" else None
