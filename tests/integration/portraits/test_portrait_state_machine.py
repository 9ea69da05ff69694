"""Whatever a buyer, the providers and the clock do in whatever order: one charge, one refund at most, and nothing left."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from integration.portraits.rivals import AUTHORS, PAINTERS, authors, painters
from integration.portraits.shop import BUYER, FAST, PHONE, PHOTO_SIZE, SANDBOX, encoded, opened, photo, scene
from madang.core.kernel.errors import DomainError, Gone, PermissionDenied, TooManyAttempts, WrongState
from madang.core.portraits.model import PORTRAIT_TRANSITIONS, PRICE, PictureStatus, PortraitStatus, progress_of
from madang.ports.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable

S = PortraitStatus
ROUTES = {
    "image_model": list(PAINTERS), "text_model": list(AUTHORS), "payment": [SANDBOX], "sms": [SANDBOX], "storage": ["local"]
}  # fmt: skip
FOR_A_PERSON = frozenset({"no-message-is-dead", "no-action-stays-unknown"})
"""What was given up waits for somebody to look: these two tell of it, and break nothing."""
PHOTOS = (photo(), encoded(scene(*PHOTO_SIZE).convert("L")))
USE_CASES: dict[str, tuple[Callable[[Any, Any], Any], set[PortraitStatus]]] = {
    "phone": (lambda shop, job: shop.portraits.set_phone(job, PHONE), {S.PENDING_PHONE, S.PENDING_UPLOAD}),
    "access": (lambda shop, job: shop.portraits.check_phone(job, PHONE, BUYER), {S.PROCESSING, S.COMPLETED, S.FAILED}),
    "result": (lambda shop, job: shop.portraits.result(job), {S.COMPLETED}),
    "survey": (lambda shop, job: shop.portraits.submit_survey(job, 5, "fine"), {S.COMPLETED}),
}
TROUBLES: dict[str, Exception] = {
    "down": Unavailable("down"),
    "busy": RateLimited("busy", retry_after=1.0),
    "lost": OutcomeUnknown("no answer"),
    "refused": Rejected("no", reason="content_policy"),
}
OUTSIDE = ["sms.send:unavailable", "sms.send:answer_lost", "payment.refund:unavailable", "payment.refund:answer_lost",
           "payment.find:unavailable", "payment.find:answer_lost@2"]  # fmt: skip
KEPT = "SELECT id FROM messages WHERE state IN ('done', 'dead') ORDER BY created_at, topic, payload::text"
FORGET = """TRUNCATE messages, actions, inbox, payments, refunds, portraits, notifications, deletion_receipts, invoices,
invoice_series CASCADE"""
numbers = count()


def reachable(status: PortraitStatus) -> set[PortraitStatus]:
    found, new = {status}, {status}
    while new:
        new = {after for each in new for after in PORTRAIT_TRANSITIONS[each]} - found
        found |= new
    return found


class Deployment:
    """One event loop and one database for all examples; a shop, with a world outside, for each."""

    def __init__(self, make_settings: Callable[..., Any], folder: Path) -> None:
        self.runner = asyncio.Runner()
        self._make_settings = make_settings
        self._folder = folder
        self._opened = AsyncExitStack()

    def open(self) -> Any:
        folder = self._folder / str(next(numbers))
        chosen = self._make_settings(
            data_dir=folder, routes=ROUTES, plugin_modules=["integration.portraits.rivals"], plugins={SANDBOX: dict(FAST)}
        )
        shop = self.runner.run(self._opened.enter_async_context(opened(chosen)))
        self.runner.run(shop.execute(FORGET))
        return shop

    def close(self) -> None:
        self.runner.run(self._opened.aclose())


async def refused(shop: Any) -> Any:
    painters(shop)[0].errors.append(TROUBLES["refused"])
    return await shop.finished()


STARTS: dict[PortraitStatus, Callable[[Any], Any]] = {
    S.PENDING_PAYMENT: lambda shop: shop.order(),
    S.PENDING_PHONE: lambda shop: shop.paid(),
    S.PENDING_UPLOAD: lambda shop: shop.with_phone(),
    S.PROCESSING: lambda shop: shop.with_photo(),
    S.COMPLETED: lambda shop: shop.finished(),
    S.FAILED: refused,
}


class PortraitMachine(RuleBasedStateMachine):
    deployment: Deployment
    start: PortraitStatus

    @initialize()
    def begin(self) -> None:
        self.run = self.deployment.runner.run
        self.shop = self.deployment.open()
        self.job = self.run(STARTS[self.start](self.shop))
        self.seen = self.run(self.shop.status(self.job))
        assert self.seen is self.start
        self.progress = 0
        self.sent = 0 if self.start in (S.PROCESSING, S.COMPLETED, S.FAILED) else None
        self.notices: list[Any] = []

    def teardown(self) -> None:
        """A day and some hours later, with no more trouble: everything is settled."""
        if not hasattr(self, "shop"):
            return
        try:
            self.run(self._settle())
        finally:
            self.deployment.close()

    @rule()
    def pay(self) -> None:
        self.run(self.shop.pay(self.job))

    @rule(times=st.integers(1, 2))
    def webhooks(self, times: int) -> None:
        for _ in range(times):
            self._hand_over(self.run(self.shop.notices()))

    @rule(which=st.integers(0, 99))
    def an_old_webhook_again(self, which: int) -> None:
        if self.notices:
            assert self.run(self.shop.hand_over(self.notices[which % len(self.notices)])) == [False]

    @rule()
    def return_from_the_checkout(self) -> None:
        self.run(self.shop.portraits.check_payment(self.job))

    @rule(name=st.sampled_from(sorted(USE_CASES)))
    def use_case(self, name: str) -> None:
        """Works in its states, and is refused in all others."""
        call, allowed = USE_CASES[name]
        before = self.run(self.shop.view(self.job))
        refused = self._refusal(call(self.shop, self.job))
        if before.status is S.EXPIRED:
            assert refused is Gone
        elif before.status in allowed:
            assert refused is None or (name == "survey" and refused is not WrongState)
        else:
            assert refused is WrongState

    @rule(which=st.integers(0, 1))
    def send_photo(self, which: int) -> None:
        """The first one counts; again it is the same job, and another one is refused."""
        status = self.run(self.shop.status(self.job))
        refused = self._refusal(self.shop.portraits.submit_photo(self.job, PHOTOS[which], None))
        if status is S.EXPIRED:
            assert refused is Gone
        elif status is S.PENDING_UPLOAD or self.sent == which:
            assert refused is None
            self.sent = which
        else:
            assert refused is WrongState

    @rule()
    def a_wrong_number(self) -> None:
        refused = self._refusal(self.shop.portraits.check_phone(self.job, "010-9999-0000", "203.0.113.9"))
        assert refused in (PermissionDenied, TooManyAttempts, WrongState, Gone)

    @rule(who=st.integers(0, 1), trouble=st.sampled_from(sorted(TROUBLES)), after=st.booleans())
    def trouble_with_pictures(self, who: int, trouble: str, after: bool) -> None:
        painter = painters(self.shop)[who]
        (painter.lost if after and trouble == "lost" else painter.errors).append(TROUBLES[trouble])

    @rule(who=st.integers(0, 1), answer=st.sampled_from(["rubbish", "[]", TROUBLES["down"], TROUBLES["refused"]]))
    def trouble_with_the_report(self, who: int, answer: Any) -> None:
        authors(self.shop)[who].answers.texts.insert(0, answer)

    @rule(fault=st.sampled_from(OUTSIDE))
    def trouble_outside(self, fault: str) -> None:
        self.run(self.shop.told_to(fault))

    @rule()
    def work(self) -> None:
        self.run(self.shop.work())

    @rule(which=st.integers(0, 99))
    def a_message_comes_again(self, which: int) -> None:
        ids = [row["id"] for row in self.run(self.shop.rows(KEPT))]
        if ids:
            again = "UPDATE messages SET state = 'waiting', due_at = now(), done_at = NULL, attempts = 0 WHERE id = $1"
            self.run(self.shop.execute(again, ids[which % len(ids)]))
            self.run(self.shop.work())

    @rule(seconds=st.sampled_from([5, 20, 3600, 24 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.run(self.shop.let_pass(seconds=seconds))
        self.run(self.shop.work())

    @invariant()
    def the_live_invariants_hold(self) -> None:
        self.run(self._assert_invariants())

    @invariant()
    def the_job_goes_forward_only(self) -> None:
        view = self.run(self.shop.portraits.view(self.job))
        progress = progress_of(view.portrait, view.pictures)
        assert view.portrait.status in reachable(self.seen), (self.seen, view.portrait.status)
        assert progress >= self.progress
        self.seen, self.progress = view.portrait.status, progress

    @invariant()
    def money_moves_once_each_way(self) -> None:
        self.run(self._assert_money())

    @invariant()
    def nothing_is_bought_or_said_twice(self) -> None:
        sold = Counter(request.idempotency_key for painter in painters(self.shop) for request in painter.sold)
        assert all(times == 1 for times in sold.values()), sold
        made = [key for key in sold if f"portrait:{self.job}:picture:" in key]
        assert len({key.split(":")[3] for key in made}) == len(made), sold
        texts = [sent.text.splitlines()[1] for sent in self.run(self.shop.texts())]
        assert len(texts) <= 1, texts

    @invariant()
    def only_files_that_belong_to_the_job_are_there(self) -> None:
        self.run(self._assert_files())

    def _hand_over(self, notices: Any) -> None:
        if notices:
            self.notices += notices
            self.run(self.shop.hand_over(*notices))

    def _refusal(self, call: Any) -> type[DomainError] | None:
        try:
            self.run(call)
        except DomainError as refused:
            return type(refused)
        return None

    async def _assert_invariants(self) -> None:
        for each in self.shop.container.invariants:
            if each.name not in FOR_A_PERSON:
                assert await each.violations() == [], each.name

    async def _assert_money(self) -> None:
        portrait = await self.shop.view(self.job)
        charged = await self.shop.remote("SELECT status, refunded FROM payments")
        refunds = await self.shop.refunds()
        assert len(charged) == 1
        assert len(refunds) <= 1
        assert sum(amount for _, amount in refunds) in (0, PRICE.amount)
        assert not (refunds and portrait.completed_at), "refunded and delivered"
        assert len(await self.shop.rows("SELECT 1 FROM refunds")) <= 1
        if portrait.status not in (S.PENDING_PAYMENT, S.EXPIRED):
            assert charged[0]["status"] in ("paid", "refunded")

    async def _assert_files(self) -> None:
        view = await self.shop.portraits.view(self.job)
        files = set(await self.shop.objects(self.job))
        known = {view.portrait.photo.file.key} if view.portrait.photo else set()
        for picture in view.pictures:
            if picture.status is PictureStatus.MADE:
                known |= {file.key for file in (picture.full, picture.webp, picture.thumbnail) if file is not None}
        assert files == known

    async def _settle(self) -> None:
        await self.shop.told_to("")
        for hours in (1, 23, 1, 1, 2, 3):
            await self.shop.let_pass(hours=hours)
            await self.shop.work()
            await self.shop.hand_over()
            await self.shop.work()
        portrait = await self.shop.view(self.job)
        assert portrait.status is S.EXPIRED
        assert await self.shop.objects(self.job) == []
        [payment] = await self.shop.remote("SELECT status FROM payments")
        delivered = portrait.completed_at is not None
        assert payment["status"] in (("paid",) if delivered else ("pending", "expired", "refunded"))
        assert await self.shop.value("SELECT verified_at FROM deletion_receipts") is not None
        await self._assert_invariants()


@pytest.mark.parametrize("start", STARTS)
def test_whatever_happens_the_rules_of_a_job_hold(
    make_settings: Callable[..., Any], tmp_path: Path, start: PortraitStatus
) -> None:
    class Machine(PortraitMachine):
        deployment = Deployment(make_settings, tmp_path)

    Machine.start = start
    Machine.TestCase.settings = settings(max_examples=3, stateful_step_count=25, deadline=None)
    Machine.TestCase("runTest").runTest()
    Machine.deployment.runner.close()
