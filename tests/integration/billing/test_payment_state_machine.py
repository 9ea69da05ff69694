"""Payments and refunds in any order of purchases, news, refunds, troubles and deaths: what must hold, holds after each step."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from integration.billing.bank import ABLE, Bank
from integration.billing.conftest import PRICE, Office
from madang.adapters.postgres.database import Database
from madang.core.billing.charges import NewCharge
from madang.core.billing.model import PAYMENT_TRANSITIONS, Payment, PaymentStatus, RefundStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import DomainError
from madang.core.kernel.ids import new_id
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable
from madang.ports.payment import RemotePaymentStatus

T = TypeVar("T")
BUYER = Caller(CallerKind.USER, new_id())
troubles = st.sampled_from(
    [None, None, Unavailable("down"), OutcomeUnknown("no answer"), Rejected("closed", reason="declined")]
)
COMING = ["pending", "authorised", "paid", "failed", "cancelled"]


class Machine(RuleBasedStateMachine):
    """One bank that confirms and captures, and one payment of each kind."""

    office: Office
    run: Callable[[Awaitable[Any]], Any]

    def __init__(self) -> None:
        super().__init__()
        self.run(self.office.forget_everything())
        self.bank = self.office.open_with(Bank(capabilities=replace(ABLE, confirms=True, captures=True)))
        self.bought: list[Payment] = [self.run(self.office.order(BUYER.user_id))]
        self.charged: list[Payment] = []
        self.events = itertools.count()

    @property
    def all(self) -> list[Payment]:
        return [*self.bought, *self.charged]

    @rule()
    def charge(self) -> None:
        new = NewCharge(new_id(), "test", f"thing:{new_id()}", PRICE, "A month", "bank", self.office.wallet.keep())

        async def start() -> Payment:
            async with self.office.units() as uow:
                return await self.office.charges.start(uow, new)

        self.charged.append(self.run(start()))

    @rule(number=st.integers(0, 3), status=st.sampled_from(COMING))
    def something_happens_at_the_bank(self, number: int, status: str) -> None:
        """As far as a bank would: what is paid is not unpaid any more."""
        payment = self.bought[number % len(self.bought)]
        held = self.bank.books[str(payment.id)]
        allowed = PAYMENT_TRANSITIONS[PaymentStatus(held.status.value)]
        if PaymentStatus(status) in allowed and not held.refunded.amount:
            self.bank.tell(str(payment.id), RemotePaymentStatus(status))

    @rule(number=st.integers(0, 3), copies=st.integers(1, 3))
    def news(self, number: int, copies: int) -> None:
        payment = self.all[number % len(self.all)]
        if str(payment.id) in self.bank.books:
            event = str(next(self.events))
            self.run(_together(self.office.deliver(event, payment.id) for _ in range(copies)))

    @rule(number=st.integers(0, 3), key=st.sampled_from(["key-1", "key-2"]))
    def the_browser_is_back(self, number: int, key: str) -> None:
        payment = self.bought[number % len(self.bought)]
        with suppress(DomainError):
            self.run(self.office.payments.confirm(BUYER, payment.id, key=key, amount=PRICE))

    @rule(number=st.integers(0, 3), amounts=st.lists(st.integers(1, 2 * PRICE.amount), min_size=1, max_size=3))
    def refunds_at_once(self, number: int, amounts: list[int]) -> None:
        payment = self.all[number % len(self.all)]

        async def request(amount: int) -> None:
            async with self.office.units() as uow:
                await self.office.billing.request_refund(uow, payment.id, key=new_id().hex, reason="test", amount=amount)

        self.run(_together(request(amount) for amount in amounts))

    @rule(before=troubles, after=st.sampled_from([None, OutcomeUnknown("no answer")]), asked=st.booleans())
    def trouble(self, before: Exception | None, after: Exception | None, asked: bool) -> None:
        self.bank.before_charge = self.bank.before_collect = self.bank.before_refund = before
        self.bank.after_charge = self.bank.after_collect = self.bank.after_refund = after
        self.bank.ask = None if asked else Unavailable("away")

    @rule(copies=st.integers(1, 2))
    def work(self, copies: int) -> None:
        """As if the time of what waits had come: nothing here depends on how long a step took."""
        self.run(self.office.execute("UPDATE messages SET due_at = now() WHERE state = 'waiting'"))
        self.run(_together(self.office.work() for _ in range(copies)))

    @precondition(lambda self: self.bank.before_charge is None)
    @rule()
    def a_worker_dies(self) -> None:
        self.bank.after_charge = self.bank.after_collect = self.bank.after_refund = asyncio.CancelledError()
        self.run(_dying(self.office))
        self.bank.after_charge = self.bank.after_collect = self.bank.after_refund = None
        self.run(self.office.crash())

    @invariant()
    def nobody_gets_more_back_than_came(self) -> None:
        for payment in self.all:
            now = self.run(self.office.payment(payment))
            refunds = self.run(self.office.refunds(payment))
            promised = sum(each.amount.amount for each in refunds if each.status is not RefundStatus.FAILED)
            assert promised <= PRICE.amount
            assert 0 <= now.refunded <= PRICE.amount
            held = self.bank.books.get(str(payment.id))
            assert held is None or held.refunded.amount <= promised

    @invariant()
    def states_change_by_the_table_alone(self) -> None:
        for payment in self.all:
            told = [payment.status, *map(PaymentStatus, self.run(self.office.announced(payment)))]
            assert all(after in PAYMENT_TRANSITIONS[before] for before, after in itertools.pairwise(told)), told
            assert told[-1] is self.run(self.office.payment(payment)).status

    @invariant()
    def no_money_is_taken_twice(self) -> None:
        assert all(times == 1 for times in Counter(self.bank.taken).values()), self.bank.taken

    def teardown(self) -> None:
        """With the troubles over and the dead revived, what the bank says is what we say."""
        self.trouble(None, None, True)
        self.run(self.office.work_for_days())
        self.run(self.office.revive_the_dead())
        self.run(self.office.work_for_days())
        for payment in self.all:
            held, now = self.bank.books.get(str(payment.id)), self.run(self.office.payment(payment))
            if held is not None and held.refunded.amount:
                assert now.refunded == held.refunded.amount


async def _dying(office: Office) -> None:
    """Nothing of the worker goes on once it is dead."""
    with suppress(asyncio.CancelledError):
        await office.work()
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)


async def _together(doings: Iterator[Coroutine[Any, Any, T]]) -> None:
    await asyncio.gather(*doings)


@pytest.fixture
def steady(database_url: str) -> Iterator[tuple[Office, Callable[[Awaitable[Any]], Any]]]:
    """An office on a loop of its own, which the machine's steps run on."""
    with asyncio.Runner() as runner:

        def run(doing: Awaitable[Any]) -> Any:
            async def wait() -> Any:
                return await doing

            return runner.run(wait())

        database = run(Database.connect(database_url, pool_size=20))
        office = Office(database)
        run(office.execute("ALTER TABLE messages ADD COLUMN written bigserial"))
        yield office, run
        run(database.close())


def test_payments_and_refunds_keep_what_they_promise_whatever_happens(
    steady: tuple[Office, Callable[[Awaitable[Any]], Any]],
) -> None:
    bound = type("Bound", (Machine,), {"office": steady[0], "run": staticmethod(steady[1])})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        bound, settings=settings(max_examples=10, stateful_step_count=14, deadline=None, suppress_health_check=checks)
    )
