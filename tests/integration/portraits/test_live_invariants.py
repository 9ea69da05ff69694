"""What a running deployment checks of itself, on the real container: broken on purpose, named, and mended."""

from uuid import UUID

from integration.portraits.shop import Shop
from madang.core.kernel.invariants import Invariant, Violation
from madang.core.portraits.model import PRICE, PortraitStatus

REFUNDS = "no-refund-is-owed"
DEAD = "no-message-is-dead"


async def broken(shop: Shop) -> dict[str, Violation]:
    """The one violation of each invariant that does not hold."""
    found = {}
    for each in shop.container.invariants:
        violations = await each.violations()
        assert len(violations) <= 1
        if violations:
            found[each.name] = violations[0]
    return found


def named(shop: Shop, name: str) -> Invariant:
    return next(each for each in shop.container.invariants if each.name == name)


async def mended(shop: Shop, name: str, *, beside: str | None = None) -> str:
    """What mending this one says, which must be the only one broken (with the one `beside` it); afterwards nothing is."""
    found = await broken(shop)
    assert found.keys() == {name} | ({beside} if beside else set())
    said = await named(shop, name).mend(found[name])
    await shop.work()
    assert await broken(shop) == {}
    return said


async def later(shop: Shop, **time: float) -> None:
    await shop.let_pass(**time)
    await shop.work()


async def lost(shop: Shop, topic: str) -> None:
    await shop.execute("DELETE FROM messages WHERE topic = $1 AND state = 'waiting'", topic)


async def failed_without_refund(shop: Shop) -> UUID:
    """A job whose refund's row and message somebody has deleted: the buyer's money is owed."""
    await shop.told_to("image_model.start:rejected=content_policy@*, payment.refund:unavailable")
    job = await shop.finished()
    await lost(shop, "billing.refund")
    await shop.execute("DELETE FROM refunds")
    await shop.execute("DELETE FROM messages WHERE state = 'dead'")
    return job


async def test_a_deployment_that_works_breaks_none(shop: Shop) -> None:
    await shop.order()
    await shop.finished()
    await shop.with_photo()
    await shop.work()
    await later(shop, minutes=30)
    assert len(shop.container.invariants) >= 8
    assert await broken(shop) == {}


async def test_a_refund_that_was_lost_is_found_and_given(shop: Shop) -> None:
    job = await failed_without_refund(shop)
    await later(shop, minutes=2)
    assert "refund" in await mended(shop, REFUNDS)
    assert await shop.refunds() == [(await shop.reference(job), PRICE.amount)]
    assert await shop.value("SELECT status FROM payments") == "refunded"


async def test_mending_twice_refunds_once(shop: Shop) -> None:
    await failed_without_refund(shop)
    await later(shop, minutes=2)
    violation = (await broken(shop))[REFUNDS]
    for _ in range(3):
        assert await named(shop, REFUNDS).mend(violation)
    await shop.work()
    assert len(await shop.refunds()) == 1
    assert await named(shop, REFUNDS).mend(violation)
    await shop.work()
    assert len(await shop.refunds()) == 1


async def test_a_refund_that_the_provider_refused_waits_for_a_person(shop: Shop) -> None:
    await shop.told_to("image_model.start:rejected=content_policy@*, payment.refund:rejected=not_refundable")
    await shop.finished()
    await shop.execute("DELETE FROM messages WHERE topic = 'portraits.make_picture'")
    await later(shop, minutes=2)
    found = await broken(shop)
    assert found.keys() == {REFUNDS, DEAD}
    assert found[DEAD].detail["topic"] == "billing.refund"
    assert await named(shop, DEAD).mend(found[DEAD]) == ""
    assert await named(shop, REFUNDS).mend(found[REFUNDS]) == ""
    await shop.work()
    assert await shop.refunds() == []


async def test_a_job_that_was_completed_meanwhile_is_not_refunded(shop: Shop) -> None:
    job = await shop.finished()
    detail = {"portrait_id": str(job)}
    assert await named(shop, REFUNDS).mend(Violation(f"portrait:{job}", detail))
    await shop.work()
    assert await shop.refunds() == []


async def test_pictures_whose_work_was_lost_are_made_and_bought_once(shop: Shop) -> None:
    job = await shop.with_photo()
    await lost(shop, "portraits.make_picture")
    await later(shop, minutes=2)
    assert "3 pictures" in await mended(shop, "every-portrait-in-progress-has-work")
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert len(await shop.bought()) == 3


async def test_a_report_whose_work_was_lost_is_written(shop: Shop) -> None:
    await shop.told_to("text_model.generate:unavailable")
    job = await shop.finished()
    assert await shop.status(job) is PortraitStatus.PROCESSING
    await lost(shop, "portraits.write_report")
    await later(shop, minutes=2)
    await mended(shop, "every-portrait-in-progress-has-work")
    assert await shop.status(job) is PortraitStatus.COMPLETED
    assert len(await shop.texts()) == 1


async def test_a_purge_that_was_lost_is_done(shop: Shop) -> None:
    job = await shop.finished()
    await lost(shop, "portraits.expire")
    await later(shop, hours=24, minutes=6)
    await mended(shop, "every-portrait-is-purged-in-time", beside="no-file-past-its-purge-date")
    assert await shop.status(job) is PortraitStatus.EXPIRED
    assert await shop.objects(job) == []


async def test_a_payment_that_nobody_asks_for_any_more_is_found_and_settled(shop: Shop) -> None:
    job = await shop.order()
    await shop.pay(job)
    await lost(shop, "billing.look_up")
    await later(shop, minutes=2)
    await mended(shop, "every-open-payment-is-asked-for")
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE


async def test_a_webhook_whose_message_was_lost_is_handled(shop: Shop) -> None:
    job = await shop.order()
    await shop.pay(job)
    await shop.hand_over()
    await lost(shop, "billing.handle_notice")
    await shop.execute("UPDATE messages SET due_at = now() + interval '1 hour' WHERE topic = 'billing.look_up'")
    await later(shop, minutes=2)
    await mended(shop, "every-notice-is-handled")
    assert await shop.status(job) is PortraitStatus.PENDING_PHONE
