"""Whatever row goes in comes out, and what is unique stays unique."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.postgres import samples
from madang.core.billing.model import Refund, RefundStatus
from madang.core.kernel.actions import ActionState
from madang.core.kernel.errors import AlreadyExists, Gone, NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import PageRequest
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.model import AccessAttempts, CareEntry, PortraitStatus, Survey
from madang.core.portraits.repository import PortraitsUnitOfWork

Units = UnitOfWorkFactory[PortraitsUnitOfWork]
FEW = settings(max_examples=25)


@FEW
@given(data=st.data())
async def test_a_payment_comes_out_as_it_went_in_and_as_it_was_changed(units: Units, data: st.DataObject) -> None:
    payment = data.draw(samples.payments())
    changed = dataclasses.replace(data.draw(samples.payments()), id=payment.id)
    async with units() as uow:
        await uow.payments.add(payment)
    async with units() as uow:
        assert await uow.payments.get(payment.id) == payment
        if payment.reference is not None:
            assert await uow.payments.by_reference(payment.provider, payment.reference, lock=True) == payment
        await uow.payments.update(changed)
    async with units() as uow:
        assert await uow.payments.get(payment.id, lock=True) == changed


@FEW
@given(data=st.data())
async def test_a_refund_comes_out_as_it_went_in_and_as_it_was_changed(units: Units, data: st.DataObject) -> None:
    payment = samples.a_payment()
    refund = data.draw(samples.refunds(payment.id))
    changed = dataclasses.replace(data.draw(samples.refunds(payment.id)), id=refund.id)
    async with units() as uow:
        await uow.payments.add(payment)
        assert await uow.payments.add_refund(refund)
        assert not await uow.payments.add_refund(dataclasses.replace(refund, id=new_id()))
    async with units() as uow:
        assert await uow.payments.get_refund(refund.id) == refund
        assert await uow.payments.refund_by_key(refund.key) == refund
        await uow.payments.update_refund(changed)
    async with units() as uow:
        assert await uow.payments.refunds(payment.id) == [changed]


@FEW
@given(data=st.data())
async def test_a_portrait_comes_out_as_it_went_in_and_as_it_was_changed(units: Units, data: st.DataObject) -> None:
    payment = samples.a_payment()
    portrait = data.draw(samples.unpurged_portraits(new_id(), payment.id))
    changed = data.draw(samples.unpurged_portraits(portrait.id, payment.id))
    async with units() as uow:
        await uow.portraits.add(portrait)
        await uow.payments.add(payment)
    async with units() as uow:
        assert await uow.portraits.get(portrait.id) == portrait
        if portrait.client_reference is not None:
            assert await uow.portraits.by_client_reference(portrait.account, portrait.client_reference) == portrait
        await uow.portraits.update(changed)
    async with units() as uow:
        assert await uow.portraits.get(portrait.id, lock=True) == changed


@FEW
@given(data=st.data())
async def test_what_belongs_to_a_portrait_comes_out_as_it_went_in(units: Units, data: st.DataObject) -> None:
    portrait = await stored_portrait(units)
    pictures = [data.draw(samples.pictures(portrait.id, index)) for index in range(3)]
    changed = data.draw(samples.pictures(portrait.id, 1))
    attempts = data.draw(samples.attempts(portrait.id))
    survey = data.draw(samples.surveys(portrait.id))
    async with units() as uow:
        await uow.portraits.add_pictures(pictures[::-1])
        await uow.portraits.save_attempts(dataclasses.replace(attempts, failures=0))
        await uow.portraits.save_attempts(attempts)
        assert await uow.portraits.add_survey(survey)
        assert not await uow.portraits.add_survey(survey)
    async with units() as uow:
        assert await uow.portraits.pictures(portrait.id) == pictures
        await uow.portraits.update_picture(changed)
        assert (await uow.portraits.pictures(portrait.id))[1] == changed
        assert await uow.portraits.attempts(portrait.id, attempts.address_hash, lock=True) == attempts
        assert await uow.portraits.survey(portrait.id) == survey


@FEW
@given(notification=samples.notifications, changed=samples.notifications)
async def test_a_notification_keeps_what_was_emptied_empty(units: Units, notification: Any, changed: Any) -> None:
    changed = dataclasses.replace(changed, id=notification.id)
    async with units() as uow:
        assert await uow.notifications.add(notification)
        assert not await uow.notifications.add(dataclasses.replace(notification, id=new_id()))
    async with units() as uow:
        assert await uow.notifications.get(notification.id, lock=True) == notification
        await uow.notifications.update(changed)
    async with units() as uow:
        assert await uow.notifications.get(notification.id) == dataclasses.replace(
            changed,
            recipient=changed.recipient if notification.recipient is not None else None,
            text=changed.text if notification.text is not None else None,
        )


@FEW
@given(entry=samples.inbox_entries, changed=samples.inbox_entries)
async def test_an_inbox_entry_is_stored_once_a_provider_and_event(units: Units, entry: Any, changed: Any) -> None:
    changed = dataclasses.replace(changed, id=entry.id)
    async with units() as uow:
        assert await uow.inbox.add(entry)
        assert not await uow.inbox.add(dataclasses.replace(entry, id=new_id()))
    async with units() as uow:
        assert await uow.inbox.get(entry.id, lock=True) == entry
        await uow.inbox.update(changed)
    async with units() as uow:
        assert await uow.inbox.get(entry.id) == changed


@FEW
@given(action=samples.actions, changed=samples.actions)
async def test_an_action_is_found_by_its_key_and_replaced_by_it(units: Units, action: Any, changed: Any) -> None:
    changed = dataclasses.replace(changed, key=action.key)
    async with units() as uow:
        assert await uow.actions.get(action.key) is None
        await uow.actions.save(action)
        assert await uow.actions.get(action.key) == action
        await uow.actions.save(changed)
    async with units() as uow:
        assert await uow.actions.get(action.key) == dataclasses.replace(changed, id=action.id)


@FEW
@given(receipt=samples.receipts, changed=samples.receipts)
async def test_a_deletion_receipt_is_found_by_its_subject_and_replaced_by_it(units: Units, receipt: Any, changed: Any) -> None:
    changed = dataclasses.replace(changed, subject=receipt.subject)
    async with units() as uow:
        await uow.receipts.save(receipt)
        assert await uow.receipts.by_subject(receipt.subject) == receipt
        await uow.receipts.save(changed)
    async with units() as uow:
        assert await uow.receipts.by_subject(receipt.subject) == changed


@FEW
@given(entry=samples.care_entries(), changed=samples.care_entries())
async def test_a_care_entry_is_added_once_replaced_and_deleted(units: Units, entry: Any, changed: Any) -> None:
    changed = dataclasses.replace(changed, code=entry.code)
    async with units() as uow:
        assert await uow.knowledge_base.add(entry)
        assert not await uow.knowledge_base.add(changed)
        assert await uow.knowledge_base.get(entry.code) == entry
        await uow.knowledge_base.save(changed)
        assert await uow.knowledge_base.get(entry.code) == changed
        assert await uow.knowledge_base.delete(entry.code)
        assert not await uow.knowledge_base.delete(entry.code)


async def test_the_catalogue_is_paged_by_code_within_a_category(units: Units) -> None:
    catalogue = {"b2": "skin", "B1": "skin", "a1": "hair", "c3": "skin"}
    async with units() as uow:
        for code, category in catalogue.items():
            await uow.knowledge_base.save(CareEntry(code, category, "", "", "", "", 1, 2, 0, 1))
    async with units() as uow:
        assert [entry.code for entry in await uow.knowledge_base.all()] == ["B1", "a1", "b2", "c3"]
        page = await uow.knowledge_base.page(PageRequest(page=2, limit=2), category="skin")
        assert ([entry.code for entry in page.items], page.total, page.page, page.limit) == (["c3"], 3, 2, 2)
        assert (await uow.knowledge_base.page(PageRequest())).total == 4
        assert (await uow.knowledge_base.page(PageRequest(page=2**70))).items == []


async def test_actions_in_a_state_come_the_longest_waiting_first(units: Units) -> None:
    at = samples.now()
    early = samples.an_action(state=ActionState.UNKNOWN, updated_at=at - timedelta(minutes=5))
    late = samples.an_action(state=ActionState.UNKNOWN, updated_at=at)
    async with units() as uow:
        for action in (late, early, samples.an_action()):
            await uow.actions.save(action)
        assert await uow.actions.in_state(ActionState.UNKNOWN) == [early, late]
        assert await uow.actions.in_state(ActionState.UNKNOWN, limit=1) == [early]


async def test_changing_a_row_that_is_not_there_is_refused(units: Units) -> None:
    payment = samples.a_payment()
    async with units() as uow:
        with pytest.raises(NotFound):
            await uow.payments.update(payment)
        with pytest.raises(NotFound):
            await uow.notifications.update(samples.a_notification())
        with pytest.raises(NotFound):
            await uow.inbox.update(samples.an_inbox_entry())
        with pytest.raises(Gone):
            await uow.portraits.update(samples.a_portrait())


async def test_a_taken_client_reference_names_the_first_order(units: Units) -> None:
    first = await stored_portrait(units, client_reference="order-1")
    again = samples.a_portrait(client_reference="order-1")
    async with units() as uow:
        with pytest.raises(AlreadyExists) as refused:
            await uow.portraits.add(again)
        assert refused.value.params["id"] == str(first.id)
        assert await uow.portraits.get(first.id) == first  # the transaction goes on


async def test_another_account_may_use_the_same_client_reference(units: Units) -> None:
    await stored_portrait(units, client_reference="order-1")
    other = await stored_portrait(units, account="account-2", client_reference="order-1")
    async with units() as uow:
        assert await uow.portraits.by_client_reference("account-2", "order-1") == other


async def test_of_a_hundred_orders_at_once_with_one_client_reference_one_wins(units: Units) -> None:
    async def order() -> bool:
        portrait = samples.a_portrait(client_reference="the-one")
        try:
            async with units() as uow:
                await uow.portraits.add(portrait)
                await uow.payments.add(samples.a_payment(id=portrait.payment_id))
        except AlreadyExists:
            return False
        return True

    assert await how_many_win(order) == 1


async def test_of_a_hundred_refunds_at_once_with_one_key_one_wins(units: Units) -> None:
    payment = samples.a_payment()
    async with units() as uow:
        await uow.payments.add(payment)

    async def refund() -> bool:
        at = samples.now()
        async with units() as uow:
            return await uow.payments.add_refund(
                Refund(new_id(), payment.id, "refund:the-one", payment.amount, "failed", RefundStatus.QUEUED, at, at)
            )

    assert await how_many_win(refund) == 1


async def test_of_a_hundred_deliveries_at_once_of_one_event_one_is_stored(units: Units) -> None:
    async def deliver() -> bool:
        async with units() as uow:
            return await uow.inbox.add(samples.an_inbox_entry(event_id="evt-1"))

    assert await how_many_win(deliver) == 1


async def test_of_a_hundred_notifications_at_once_with_one_key_one_wins(units: Units) -> None:
    async def notify() -> bool:
        async with units() as uow:
            return await uow.notifications.add(samples.a_notification(key="sms:the-one"))

    assert await how_many_win(notify) == 1


async def test_a_hundred_surveys_at_once_leave_one(units: Units) -> None:
    portrait = await stored_portrait(units)

    async def answer() -> bool:
        async with units() as uow:
            return await uow.portraits.add_survey(Survey(portrait.id, 5, None, samples.now()))

    assert await how_many_win(answer) == 1


async def test_wrong_tries_at_once_are_all_counted(units: Units) -> None:
    portrait = await stored_portrait(units)

    async def wrong() -> bool:
        async with units() as uow:
            found = await uow.portraits.attempts(portrait.id, b"a" * 32, lock=True) or AccessAttempts(portrait.id, b"a" * 32)
            await uow.portraits.save_attempts(dataclasses.replace(found, failures=found.failures + 1))
        return True

    await how_many_win(wrong)
    async with units() as uow:
        found = await uow.portraits.attempts(portrait.id, b"a" * 32)
    assert found is not None
    assert found.failures == 100


async def stored_portrait(units: Units, **changes: Any) -> Any:
    portrait = samples.a_portrait(status=PortraitStatus.COMPLETED, **changes)
    async with units() as uow:
        await uow.portraits.add(portrait)
        await uow.payments.add(samples.a_payment(id=portrait.payment_id, subject=portrait.subject))
    return portrait


async def how_many_win(attempt: Callable[[], Awaitable[bool]]) -> int:
    return sum(await asyncio.gather(*(attempt() for _ in range(100))))
