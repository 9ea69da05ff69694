"""The tries that `CollectWork` makes: each a row and its message, written together under the payment's lock."""

from typing import Final, Protocol

from madang.core.billing.attempts import (
    AttemptOperation,
    AttemptStatus,
    AttemptsUnitOfWork,
    PaymentAttempt,
    begin_attempt,
)
from madang.core.billing.model import Payment, payment_subject
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import NewMessage

CONFIRM: Final = "billing.confirm"
CAPTURE: Final = "billing.capture"
MOST_CAPTURES: Final = 3
"""A person may approve again after a refusal; who says `authorised` for ever is not asked for ever."""

MOST_CONFIRMS: Final = 10
"""Anybody who knows the address of a page of ours may bring keys that mean nothing."""


class _Unit(AttemptsUnitOfWork, Protocol):
    def send(self, message: NewMessage) -> None: ...


async def begin_capture(uow: _Unit, payment: Payment, clock: Clock) -> None:
    """Nothing while one is under way."""
    tries = [
        attempt
        for attempt in await uow.payment_attempts.of_payment(payment.id)
        if attempt.operation is AttemptOperation.CAPTURE
    ]
    if any(attempt.is_open for attempt in tries) or len(tries) >= MOST_CAPTURES:
        return
    attempt = await begin_attempt(uow, payment, AttemptOperation.CAPTURE, clock.now(), reference=payment.reference)
    uow.send(_message(CAPTURE, payment, attempt))


async def begin_confirm(uow: _Unit, payment: Payment, key: str, clock: Clock) -> None:
    """The window has done its part: the browser came back with a key. The same key makes no second try, and another one none
    while a try is under way: two keys may be two charges."""
    attempts = await uow.payment_attempts.of_payment(payment.id)
    tries = [attempt for attempt in attempts if attempt.operation is AttemptOperation.CONFIRM]
    if any(attempt.is_open or attempt.reference == key for attempt in tries) or len(tries) >= MOST_CONFIRMS:
        return
    now = clock.now()
    for attempt in attempts:
        if attempt.operation is AttemptOperation.CHECKOUT and attempt.is_open:
            await uow.payment_attempts.update(attempt.ended(AttemptStatus.SUCCEEDED, now))
    attempt = await begin_attempt(uow, payment, AttemptOperation.CONFIRM, now, reference=key)
    uow.send(_message(CONFIRM, payment, attempt, key=key))


def _message(topic: str, payment: Payment, attempt: PaymentAttempt, **more: str) -> NewMessage:
    return NewMessage(
        topic,
        {"payment_id": str(payment.id), "number": attempt.number, **more},
        key=f"{topic}:{payment.id}:{attempt.number}",
        subject=payment_subject(payment.id),
    )
