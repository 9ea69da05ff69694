"""A notice that was stored is handled, also when its message died, and handled again it ends the same."""

import dataclasses

import pytest

from integration.billing.conftest import Office
from madang.core.billing.inbox_keeping import SWEEP, NoticeFilter
from madang.core.billing.model import PaymentStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.paging import CursorRequest
from madang.ports.errors import Rejected
from madang.ports.payment import RemotePaymentStatus

ADMIN = Caller(CallerKind.USER, new_id())
DIED = "UPDATE messages SET state = 'dead', due_at = now() - interval '1 day'"
LATER = "UPDATE inbox SET received_at = received_at - interval '31 seconds'"


async def sweep(office: Office) -> None:
    async with office.units() as uow:
        uow.send(NewMessage(SWEEP))
    await office.work()


@pytest.mark.parametrize(
    "lost", ["DELETE FROM messages", "UPDATE messages SET state = 'dead', due_at = now() - interval '1 day'"]
)
async def test_a_notice_whose_message_died_or_got_lost_is_swept_up_after_seconds(office: Office, lost: str) -> None:
    payment = await office.order()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.deliver("paid", payment.id)
    await office.execute(lost)
    await sweep(office)
    assert (await office.payment(payment)).status is PaymentStatus.PENDING
    await office.execute(LATER)
    await sweep(office)
    assert (await office.payment(payment)).status is PaymentStatus.PAID
    assert await office.announced(payment) == ["paid"]


async def test_a_notice_that_is_given_up_again_and_again_is_swept_ever_more_rarely(office: Office) -> None:
    payment = await office.order()
    await office.deliver("paid", payment.id)
    office.bank.ask = Rejected("who are you", reason="invalid_request")
    await office.execute("DELETE FROM messages WHERE topic <> 'billing.handle_notice'")
    await office.work()
    await office.execute(LATER)
    for _ in range(3):
        await sweep(office)
    assert len(await office.dead()) == 1
    await office.execute("UPDATE messages SET due_at = due_at - interval '1 minute' WHERE state = 'dead'")
    await office.execute("UPDATE inbox SET received_at = received_at - interval '1 minute'")
    for _ in range(3):
        await sweep(office)
    assert len(await office.dead()) == 2


async def test_a_replayed_notice_ends_in_the_same_state_and_announces_nothing_new(office: Office) -> None:
    payment = await office.order()
    office.bank.tell(str(payment.id), RemotePaymentStatus.PAID)
    await office.deliver("paid", payment.id)
    await office.work()
    [entry] = (await office.inbox_keeping.page(CursorRequest(), NoticeFilter("bank", handled=True))).items
    settled = await office.payment(payment)
    for _ in range(2):
        assert (await office.inbox_keeping.replay(ADMIN, entry.id)).outcome is None
        await office.work()
    assert await office.payment(payment) == settled
    assert await office.announced(payment) == ["paid"]
    [again] = await office.inbox()
    assert again == dataclasses.replace(entry, handled_at=again.handled_at)
    assert (await office.inbox_keeping.page(CursorRequest(), NoticeFilter(handled=False))).items == []


async def test_notices_of_other_kinds_of_provider_are_not_for_replay_here(office: Office) -> None:
    payment = await office.order()
    await office.deliver("paid", payment.id)
    await office.execute("UPDATE inbox SET provider = 'email:bank'")
    [entry] = await office.inbox()
    assert (await office.inbox_keeping.page(CursorRequest(), NoticeFilter())).items == []
    with pytest.raises(NotFound):
        await office.inbox_keeping.replay(ADMIN, entry.id)
