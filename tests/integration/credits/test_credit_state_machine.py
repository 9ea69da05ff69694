"""Grants, holds, takes, releases, ends, refunds and deductions in any order, against single credits that are counted."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from madang.adapters.postgres.billing.credit_invariants import credit_invariants
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.core.billing.credits.ledger import Ledger
from madang.core.billing.credits.model import HoldIsOver, InsufficientCredits, LotSource
from madang.core.billing.credits.monthly import MonthlyCredits
from madang.core.billing.credits.service import CreditService
from madang.core.billing.credits.settling import Settling
from madang.core.identity.model import User, UserStatus
from madang.core.identity.roles import Role
from madang.core.kernel.events import TELL_OWNER, Subscriptions
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Topic

KINDS = ("available", "held", "spent", "expired", "taken_back", "lost")
AMOUNTS = st.integers(1, 8)
TOPICS = {TELL_OWNER: Topic(TELL_OWNER)}
NEVER = datetime.max.replace(tzinfo=UTC)


class MovableClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


@dataclass
class Credit:
    """One single credit; `hold` is the key of what holds it."""

    lot: int
    ends: datetime
    state: str = "available"
    hold: str = ""


@dataclass
class Model:
    """Everything is booked at once, credit by credit."""

    credits: list[Credit] = field(default_factory=list)
    revoked: dict[int, int] = field(default_factory=dict)

    def of(self, state: str, **wanted: Any) -> list[Credit]:
        """In the order in which they are used."""
        found = [one for one in self.credits if one.state == state]
        found = [one for one in found if all(getattr(one, name) == value for name, value in wanted.items())]
        return sorted(found, key=lambda one: (one.ends, one.lot))

    def use(self, amount: int, state: str, hold: str = "") -> bool:
        usable = self.of("available")
        if len(usable) < amount:
            return False
        for one in usable[:amount]:
            one.state, one.hold = state, hold
        return True

    def settle(self, now: datetime) -> None:
        for one in self.of("available"):
            if one.ends <= now:
                one.state = "expired"
        for lot, asked in self.revoked.items():
            for source, target, waiting in (("available", "taken_back", 0), ("spent", "lost", len(self.of("held", lot=lot)))):
                got = len(self.of("taken_back", lot=lot)) + len(self.of("lost", lot=lot))
                for one in self.of(source, lot=lot)[: max(0, asked - got - waiting)]:
                    one.state = target

    def end_hold(self, hold: str, taken: int, now: datetime) -> None:
        for number, one in enumerate(self.of("held", hold=hold)):
            one.state = "spent" if number < taken else "available"
        self.settle(now)


class CreditMachine(RuleBasedStateMachine):
    url: str

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.clock, self.model = MovableClock(), Model()
        self.lots: list[UUID] = []
        self.holds: dict[str, datetime] = {}
        self.ended: set[str] = set()
        self.database = self.run(Database.connect(self.url, pool_size=2))
        self.units: Any = unit_of_work_factory(self.database, Subscriptions(), lambda: "req-test", TOPICS)
        ledger = Ledger(self.clock)
        self.service = CreditService(ledger)
        self.settling = Settling(ledger, self.service, MonthlyCredits(self.service, ledger, UTC), self.clock)
        self.doctor = credit_invariants(self.database, self.units, self.settling.settle)[:-1]
        self.user_id = new_id()
        now = self.clock.now()
        self.in_unit(lambda uow: uow.users.add(User(self.user_id, Role.CLIENT, UserStatus.ACTIVE, "ko", now, now)))

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def in_unit(self, work: Any) -> Any:
        async def act() -> Any:
            async with self.units() as uow:
                return await work(uow)

        return self.run(act())

    @rule(amount=AMOUNTS, days=st.none() | st.integers(0, 5), again=st.booleans())
    def grant(self, amount: int, days: int | None, again: bool) -> None:
        ends = None if days is None else self.clock.now() + timedelta(days=days)
        for _ in range(1 + again):
            lot = self.in_unit(
                lambda uow: self.service.grant(
                    uow, self.user_id, amount, key=f"{self.user_id}:{len(self.lots)}", subject="test:1", expires_at=ends,
                    source=LotSource.PACK,
                )
            )  # fmt: skip
        self.model.credits += [Credit(len(self.lots), ends or NEVER) for _ in range(amount)]
        self.lots.append(lot.id)
        self.model.settle(self.clock.now())

    @rule(amount=AMOUNTS)
    def deduct(self, amount: int) -> None:
        enough = self.model.use(amount, "spent")
        try:
            self.in_unit(lambda uow: self.service.deduct(uow, self.user_id, amount, key=str(new_id()), subject="test:1"))
        except InsufficientCredits:
            assert not enough
        else:
            assert enough

    @rule(amount=AMOUNTS, hours=st.integers(1, 72), again=st.booleans())
    def hold(self, amount: int, hours: int, again: bool) -> None:
        key, ends = str(new_id()), self.clock.now() + timedelta(hours=hours)
        enough = self.model.use(amount, "held", key)
        try:
            for _ in range(1 + again):
                self.in_unit(lambda uow: self.service.hold(uow, self.user_id, amount, key=key, subject="test:1", ends_at=ends))
        except InsufficientCredits:
            assert not enough
        else:
            assert enough
            self.holds[key] = ends

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), again=st.booleans())
    def take(self, data: st.DataObject, again: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.holds)))
        held = len(self.model.of("held", hold=key))
        amount = data.draw(st.integers(1, max(1, held)))
        try:
            for _ in range(1 + again):
                self.in_unit(lambda uow: self.service.take(uow, key, amount))
        except HoldIsOver:
            assert key in self.ended
        else:
            assert key not in self.ended or held == 0
            if key not in self.ended:
                self.model.end_hold(key, amount, self.clock.now())
        del self.holds[key]

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), again=st.booleans())
    def release(self, data: st.DataObject, again: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.holds)))
        for _ in range(1 + again):
            self.in_unit(lambda uow: self.service.release(uow, key))
        self.model.end_hold(key, 0, self.clock.now())
        del self.holds[key]

    @precondition(lambda self: self.lots)
    @rule(data=st.data(), share=st.integers(1, 10))
    def refund(self, data: st.DataObject, share: int) -> None:
        number = data.draw(st.integers(0, len(self.lots) - 1))

        async def revoke(uow: Any) -> None:
            [lot] = await uow.credits.lots_by_id([self.lots[number]])
            asked = lot.amount * share // 10
            self.model.revoked[number] = max(self.model.revoked.get(number, 0), asked)
            await self.service.revoke(uow, lot.wallet_id, [(lot, asked)])

        self.in_unit(revoke)
        self.model.settle(self.clock.now())

    @rule(hours=st.integers(1, 40))
    def let_pass(self, hours: int) -> None:
        self.clock.moment += timedelta(hours=hours)
        self.model.settle(self.clock.now())

    @rule()
    def settle_what_is_due(self) -> None:
        """As the worker does."""

        async def settle(uow: Any) -> None:
            for wallet_id in await uow.credits.wallets_with_due(self.clock.now(), after=None, limit=100):
                await self.settling.settle(uow, wallet_id)

        self.in_unit(settle)
        for key, ends in self.holds.items():
            if ends <= self.clock.now() and key not in self.ended:
                self.ended.add(key)
                self.model.end_hold(key, 0, self.clock.now())

    @invariant()
    def every_credit_is_where_the_model_has_it(self) -> None:
        """What is over and not booked yet counts as booked."""
        now = self.clock.now()
        balance = self.in_unit(lambda uow: uow.credits.balance(self.user_id, now, now))
        assert (balance.available, balance.held) == (len(self.model.of("available")), len(self.model.of("held")))
        lots = {lot.id: lot for lot in self.in_unit(lambda uow: uow.credits.lots_by_id(self.lots))}
        for number, lot_id in enumerate(self.lots):
            lot = lots[lot_id]
            told = {kind: getattr(lot, kind) for kind in KINDS}
            if lot.expires_at is not None and lot.expires_at <= now:
                told["available"], told["expired"] = 0, told["available"] + told["expired"]
            assert told == {kind: len(self.model.of(kind, lot=number)) for kind in KINDS}

    @invariant()
    def the_ledger_sums_to_zero_nobody_is_below_it_and_everything_adds_up(self) -> None:
        for each in self.doctor:
            assert self.run(each.violations()) == [], each.name


def test_credits_are_where_a_simple_model_has_them(database_url: str) -> None:
    class Machine(CreditMachine):
        url = database_url

    Machine.TestCase.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
    Machine.TestCase("runTest").runTest()
