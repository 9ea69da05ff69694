"""Our payments against a provider's own: what differs, and what to do about it. Pure; nothing here asks or stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from madang.core.billing.model import SETTLED, Payment, PaymentStatus
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot


class DifferenceKind(StrEnum):
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    OTHER_AMOUNT = "other_amount"
    OTHER_STATUS = "other_status"
    OTHER_REFUNDED = "other_refunded"


ADVICE: Final[Mapping[DifferenceKind, str]] = MappingProxyType(
    {
        DifferenceKind.MISSING_HERE: "Look it up at the provider: money that none of our payments stands for, or another "
        "system on the same account. Give it back there, unless it is another system's.",
        DifferenceKind.MISSING_THERE: "The provider does not know it: are these the keys of the account, and of its live mode, "
        "that took it?",
        DifferenceKind.OTHER_AMOUNT: "Nothing is believed of it and an alert was raised: compare the checkout at the provider, "
        "then give the money back there.",
        DifferenceKind.OTHER_STATUS: "Settle it by --settle; where that changes nothing, our state does not allow theirs: look "
        "at its attempts and refunds.",
        DifferenceKind.OTHER_REFUNDED: "Settle it by --settle; a refund that we have and they do not is looked up by `madang "
        "doctor`.",
    }
)
_MONEY: Final = SETTLED | {PaymentStatus.AUTHORISED}
"""What is compared word by word. Of everything else no money came, whatever each side calls it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One payment that the two sides do not have alike; at least one of them has it."""

    kinds: Sequence[DifferenceKind]
    ours: Payment | None
    theirs: PaymentSnapshot | None
    settled: bool = False

    @property
    def advice(self) -> str:
        return " ".join(ADVICE[kind] for kind in self.kinds)


def compare(ours: Payment | None, theirs: PaymentSnapshot | None) -> Difference | None:
    """What differs of one payment; None where nothing does. What one side has alone counts where money came or is held."""
    if ours is None or theirs is None:
        return _alone(ours, theirs)
    kinds: list[DifferenceKind] = []
    if theirs.amount != ours.amount:
        kinds.append(DifferenceKind.OTHER_AMOUNT)
    status = PaymentStatus(theirs.status.value)
    if status is not ours.status and (status in _MONEY or ours.status in _MONEY):
        kinds.append(DifferenceKind.OTHER_STATUS)
    if _refunded_differs(ours, theirs):
        kinds.append(DifferenceKind.OTHER_REFUNDED)
    return Difference(tuple(kinds), ours, theirs) if kinds else None


def _refunded_differs(ours: Payment, theirs: PaymentSnapshot) -> bool:
    """A sum of nothing in another currency is the other amount's affair."""
    told, kept = theirs.refunded, Money(ours.refunded, ours.amount.currency)
    return told != kept and bool(told.amount or kept.amount)


def _alone(ours: Payment | None, theirs: PaymentSnapshot | None) -> Difference | None:
    if ours is not None and ours.status in _MONEY:
        return Difference((DifferenceKind.MISSING_THERE,), ours, None)
    if theirs is not None and PaymentStatus(theirs.status.value) in _MONEY:
        return Difference((DifferenceKind.MISSING_HERE,), None, theirs)
    return None


def paired(page: Sequence[PaymentSnapshot], ours: Sequence[Payment]) -> Sequence[tuple[Payment | None, PaymentSnapshot]]:
    """Each of the provider's with ours: by our id, else by its reference."""
    by_id = {payment.id: payment for payment in ours}
    by_reference = {payment.reference: payment for payment in ours if payment.reference is not None}
    found = []
    for theirs in page:
        our_id = id_in(theirs)
        payment = None if our_id is None else by_id.get(our_id)
        found.append((payment or by_reference.get(theirs.reference), theirs))
    return found


def id_in(theirs: PaymentSnapshot) -> UUID | None:
    """Ours, if the provider has one of ours: other systems may give it other words."""
    try:
        return None if theirs.payment_id is None else UUID(theirs.payment_id)
    except ValueError:
        return None


def days_of(since: date, until: date, zone: ZoneInfo) -> Sequence[tuple[datetime, datetime]]:
    """The days of a half-open interval, each from its first moment in the zone to the next one's."""
    days = (until - since).days
    moments = [datetime.combine(since + timedelta(days=number), time.min, zone).astimezone(UTC) for number in range(days + 1)]
    return list(pairwise(moments))
