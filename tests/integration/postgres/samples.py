"""Rows to store: plain ones with what a test cares about changed, and strategies for any row that the domain allows."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from madang.core.billing.model import Payment, PaymentStatus, Refund, RefundStatus
from madang.core.kernel.actions import Action, ActionState
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.core.kernel.messages import Failure
from madang.core.notifications.model import Channel, Notification, NotificationStatus
from madang.core.operations.deletion import DeletedObject, DeletionReceipt
from madang.core.portraits.model import (
    AccessAttempts,
    CareEntry,
    FailureReason,
    Improvement,
    Photo,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    StoredFile,
    Survey,
    subject_of,
)
from madang.ports.money import EXPONENTS, Money

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def a_payment(**changes: Any) -> Payment:
    at = now()
    values: dict[str, Any] = {
        "id": new_id(),
        "purpose": "portraits",
        "subject": subject_of(new_id()),
        "amount": Money(9900, "KRW"),
        "provider": "sandbox",
        "status": PaymentStatus.PENDING,
        "created_at": at,
        "updated_at": at,
        "expires_at": at + 24 * HOUR,
    }
    return Payment(**{**values, **changes})


def a_portrait(**changes: Any) -> Portrait:
    at = now()
    values: dict[str, Any] = {
        "id": new_id(),
        "account": "account-1",
        "status": PortraitStatus.PENDING_PAYMENT,
        "payment_id": new_id(),
        "amount": Money(9900, "KRW"),
        "locale": "ko",
        "created_at": at,
        "updated_at": at,
        "expires_at": at + 24 * HOUR,
    }
    return Portrait(**{**values, **changes})


def a_file(key: str) -> StoredFile:
    return StoredFile(key, "image/jpeg", 1000, "0" * 64, 600, 800)


def a_picture(portrait_id: UUID, index: int, status: PictureStatus = PictureStatus.WAITING) -> PortraitPicture:
    return PortraitPicture(portrait_id, index, seed=index + 1, status=status)


def a_notification(**changes: Any) -> Notification:
    at = now()
    values: dict[str, Any] = {
        "id": new_id(),
        "key": f"sms:{new_id()}",
        "channel": Channel.SMS,
        "template": "portrait_completed",
        "subject": subject_of(new_id()),
        "status": NotificationStatus.QUEUED,
        "created_at": at,
        "updated_at": at,
    }
    return Notification(**{**values, **changes})


def an_inbox_entry(**changes: Any) -> InboxEntry:
    values: dict[str, Any] = {
        "id": new_id(),
        "provider": "sandbox",
        "event_id": str(new_id()),
        "kind": "payment.paid",
        "notice": {"payment_id": "p-1"},
        "received_at": now(),
    }
    return InboxEntry(**{**values, **changes})


def an_action(**changes: Any) -> Action:
    at = now()
    values: dict[str, Any] = {
        "id": new_id(),
        "key": f"action:{new_id()}",
        "kind": "sms.send",
        "provider": "sandbox",
        "subject": None,
        "state": ActionState.RUNNING,
        "created_at": at,
        "updated_at": at,
    }
    return Action(**{**values, **changes})


fresh = st.builds(lambda: str(new_id()))
"""Never the same twice: Hypothesis runs its examples on one database."""
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
maybe_words = st.none() | words
whole = st.integers(0, 2**31 - 1)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 – made aware
maybe_instants = st.none() | instants
blobs = st.none() | st.binary(max_size=60)
json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(words, json_values, max_size=4)
amounts = st.builds(Money, st.integers(0, 2**62), st.sampled_from(sorted(EXPONENTS)))
files = st.builds(StoredFile, words, words, whole, words, whole, whole)
photos = st.builds(Photo, files, words)
reports = st.builds(
    Report,
    words,
    st.lists(st.builds(Improvement, words, words, st.lists(words, max_size=3).map(tuple)), max_size=3).map(tuple),
    words,
    words,
    st.lists(words, max_size=2).map(tuple),
)


@st.composite
def payments(draw: st.DrawFn) -> Payment:
    amount = draw(amounts)
    return Payment(
        id=new_id(),
        purpose=draw(words),
        subject=draw(words),
        amount=amount,
        provider=draw(words),
        status=draw(st.sampled_from(PaymentStatus)),
        created_at=draw(instants),
        updated_at=draw(instants),
        expires_at=draw(instants),
        reference=draw(st.none() | fresh),
        checkout_url=draw(maybe_words),
        client_params=draw(st.none() | documents),
        refunded=draw(st.integers(0, amount.amount)),
        paid_at=draw(maybe_instants),
        method=draw(maybe_words),
        failure=draw(maybe_words),
    )


@st.composite
def refunds(draw: st.DrawFn, payment_id: UUID) -> Refund:
    return Refund(
        id=new_id(),
        payment_id=payment_id,
        key=f"{draw(words)}:{new_id()}",
        amount=draw(amounts),
        reason=draw(words),
        status=draw(st.sampled_from(RefundStatus)),
        created_at=draw(instants),
        updated_at=draw(instants),
        remote_id=draw(maybe_words),
        failure=draw(maybe_words),
    )


@st.composite
def unpurged_portraits(draw: st.DrawFn, portrait_id: UUID, payment_id: UUID) -> Portrait:
    return Portrait(
        id=portrait_id,
        account=draw(words),
        status=draw(st.sampled_from(PortraitStatus)),
        payment_id=payment_id,
        amount=draw(amounts),
        locale=draw(st.sampled_from(["ko", "en"])),
        created_at=draw(instants),
        updated_at=draw(instants),
        expires_at=draw(instants),
        client_reference=draw(st.none() | fresh),
        phone=draw(blobs),
        phone_hash=draw(blobs),
        photo=draw(st.none() | photos),
        report=draw(st.none() | reports),
        failure=draw(st.none() | st.sampled_from(FailureReason)),
        completed_at=draw(maybe_instants),
    )


@st.composite
def pictures(draw: st.DrawFn, portrait_id: UUID, index: int) -> PortraitPicture:
    return PortraitPicture(
        portrait_id=portrait_id,
        index=index,
        seed=draw(st.integers(0, 2**62)),
        status=draw(st.sampled_from(PictureStatus)),
        provider=draw(maybe_words),
        full=draw(st.none() | files),
        webp=draw(st.none() | files),
        thumbnail=draw(st.none() | files),
    )


def attempts(portrait_id: UUID) -> SearchStrategy[AccessAttempts]:
    return st.builds(AccessAttempts, st.just(portrait_id), st.binary(min_size=32, max_size=32), whole, maybe_instants)


def surveys(portrait_id: UUID) -> SearchStrategy[Survey]:
    return st.builds(Survey, st.just(portrait_id), st.integers(1, 5), maybe_words, instants)


@st.composite
def care_entries(draw: st.DrawFn) -> CareEntry:
    weeks = sorted(draw(st.tuples(whole, whole)))
    costs = sorted(draw(st.tuples(whole, whole)))
    return CareEntry(
        code=str(new_id()),
        category=draw(words),
        title_ko=draw(words),
        title_en=draw(words),
        description_ko=draw(words),
        description_en=draw(words),
        weeks_min=weeks[0],
        weeks_max=weeks[1],
        cost_min=costs[0],
        cost_max=costs[1],
    )


notifications = st.builds(
    Notification,
    id=st.builds(new_id),
    key=fresh,
    channel=st.sampled_from(Channel),
    template=words,
    subject=words,
    status=st.sampled_from(NotificationStatus),
    created_at=instants,
    updated_at=instants,
    recipient=blobs,
    text=blobs,
    provider=maybe_words,
    receipt_id=maybe_words,
    failure=maybe_words,
)
inbox_entries = st.builds(
    InboxEntry,
    id=st.builds(new_id),
    provider=words,
    event_id=fresh,
    kind=words,
    notice=documents,
    received_at=instants,
    handled_at=maybe_instants,
    outcome=maybe_words,
)
failures = st.builds(Failure, words, words, words, words, maybe_words)
actions = st.builds(
    Action,
    id=st.builds(new_id),
    key=fresh,
    kind=words,
    provider=words,
    subject=maybe_words,
    state=st.sampled_from(ActionState),
    created_at=instants,
    updated_at=instants,
    result=st.none() | documents,
    failure=st.none() | failures,
    tries=whole,
)
receipts = st.builds(
    DeletionReceipt,
    id=st.builds(new_id),
    subject=fresh,
    due_at=instants,
    deleted_at=instants,
    objects=st.lists(st.builds(DeletedObject, words, maybe_words), max_size=3).map(tuple),
    rows=st.dictionaries(words, whole, max_size=3),
    digest=words,
    verified_at=maybe_instants,
)
