"""The outbox against a model of a few lines: whatever happens in whatever order, they agree."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.messages.outbox import PostgresOutbox
from madang.adapters.postgres.unit_of_work import PostgresUnitOfWork
from madang.core.kernel.errors import LeaseLost
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.messages import Failure, Lane, NewMessage, Topic
from madang.core.kernel.outbox import Leased

TOPICS = {"model.work": Topic("model.work")}
FAILURE = Failure("unavailable", "down")


@dataclass
class Expected:
    """What the model knows of a message."""

    state: str = "waiting"
    attempts: int = 0
    failures: int = 0
    token: int = 0
    lease_ended: bool = False
    effects: list[int] = field(default_factory=list)

    def is_due(self) -> bool:
        return self.state == "waiting" or (self.state == "leased" and self.lease_ended)

    def is_held_with(self, token: int) -> bool:
        return self.state == "leased" and self.token == token


class OutboxMachine(RuleBasedStateMachine):
    url: str
    claims = Bundle("claims")

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.model: dict[UUID, Expected] = {}
        self.database = self.run(Database.connect(self.url, pool_size=2))
        self.outbox = PostgresOutbox(self.database, topics=TOPICS, subscriptions=Subscriptions())
        self.run(self._execute("TRUNCATE messages, effects"))

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _execute(self, statement: str, *values: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *values)

    @rule(count=st.integers(1, 3))
    def send(self, count: int) -> None:
        async def send_all() -> None:
            async with PostgresUnitOfWork(self.database, topics=TOPICS, subscriptions=Subscriptions()) as uow:
                for _ in range(count):
                    uow.send(NewMessage("model.work"))

        self.run(send_all())
        for row in self.run(self.database.fetch("SELECT id FROM messages")):
            self.model.setdefault(row["id"], Expected())

    @rule(target=claims, limit=st.integers(1, 3))
    def claim(self, limit: int) -> Any:
        due = {message for message, expected in self.model.items() if expected.is_due()}
        claimed = self.run(self.outbox.claim(Lane.SHORT, "w", limit=limit, lease=3600))
        assert len(claimed) == min(limit, len(due))
        assert {leased.message.id for leased in claimed} <= due
        return multiple(*(self._claimed(leased) for leased in claimed))

    @rule(target=claims, data=st.data())
    def claim_one(self, data: st.DataObject) -> Any:
        if not self.model:
            return multiple()
        message = data.draw(st.sampled_from(sorted(self.model)))
        leased = self.run(self.outbox.claim_one(message, "w", lease=3600))
        assert (leased is not None) == self.model[message].is_due()
        return multiple() if leased is None else self._claimed(leased)

    def _claimed(self, leased: Leased) -> Leased:
        expected = self.model[leased.message.id]
        expected.state, expected.lease_ended = "leased", False
        expected.attempts += 1
        expected.token += 1
        assert leased.token == expected.token
        assert (leased.message.attempt, leased.message.failures) == (expected.attempts, expected.failures)
        return leased

    @rule(leased=claims)
    def end_lease(self, leased: Leased) -> None:
        self.run(
            self._execute(
                "UPDATE messages SET lease_until = now() - interval '1 s' WHERE id = $1 AND state = 'leased'", leased.message.id
            )
        )
        self.model[leased.message.id].lease_ended = True

    @rule(leased=claims)
    def extend(self, leased: Leased) -> None:
        expected = self.model[leased.message.id]
        lost = self.run(self.outbox.extend([leased], lease=3600))
        assert lost == (frozenset() if expected.is_held_with(leased.token) else {leased.message.id})
        if not lost:
            expected.lease_ended = False

    @rule(leased=claims, how=st.sampled_from(["step", "finish", "bury"]))
    def commit(self, leased: Leased, how: str) -> None:
        expected = self.model[leased.message.id]
        ours = expected.is_held_with(leased.token)
        assert self.run(self._commits(leased, how)) == ours
        if ours:
            expected.effects.append(leased.token)
            if how != "step":
                expected.state = {"finish": "done", "bury": "dead"}[how]
                expected.failures += how == "bury"

    async def _commits(self, leased: Leased, how: str) -> bool:
        opened = {
            "step": lambda: self.outbox.step(leased),
            "finish": lambda: self.outbox.finish(leased),
            "bury": lambda: self.outbox.bury(leased, FAILURE),
        }[how]()
        try:
            async with opened as uow:
                await uow.connection.execute("INSERT INTO effects VALUES ($1, $2)", leased.message.id, leased.token)
        except LeaseLost:
            return False
        return True

    @rule(some=st.lists(claims, max_size=3, unique_by=lambda leased: leased.message.id))
    def finish_together(self, some: list[Leased]) -> None:
        async def commit() -> bool:
            try:
                async with self.outbox.together() as transaction:
                    for leased in some:
                        async with transaction.finish(leased) as uow:
                            await uow.connection.execute("INSERT INTO effects VALUES ($1, $2)", leased.message.id, leased.token)
            except LeaseLost:
                return False
            return True

        ours = all(self.model[leased.message.id].is_held_with(leased.token) for leased in some)
        assert self.run(commit()) == ours
        if ours:
            for leased in some:
                expected = self.model[leased.message.id]
                expected.state = "done"
                expected.effects.append(leased.token)

    @rule(leased=consumes(claims))
    def put_back(self, leased: Leased) -> None:
        self.run(self.outbox.put_back(leased, FAILURE, delay=0))
        expected = self.model[leased.message.id]
        if expected.is_held_with(leased.token):
            expected.state = "waiting"
            expected.failures += 1

    @rule(leased=consumes(claims))
    def give_back(self, leased: Leased) -> None:
        self.run(self.outbox.give_back([leased]))
        expected = self.model[leased.message.id]
        if expected.is_held_with(leased.token):
            expected.state = "waiting"
            expected.attempts -= 1

    @rule(leased=claims)
    def revive(self, leased: Leased) -> None:
        expected = self.model[leased.message.id]
        assert self.run(self.outbox.revive(leased.message.id)) == (expected.state in ("dead", "waiting"))
        if expected.state in ("dead", "waiting"):
            expected.state, expected.attempts, expected.failures = "waiting", 0, 0

    @invariant()
    def they_agree(self) -> None:
        rows = self.run(self.database.fetch("SELECT id, state, attempts, failures, lease_token FROM messages"))
        seen = {row["id"]: (row["state"], row["attempts"], row["failures"], row["lease_token"]) for row in rows}
        assert seen == {
            message: (expected.state, expected.attempts, expected.failures, expected.token)
            for message, expected in self.model.items()
        }

    @invariant()
    def effects_are_those_of_lease_holders(self) -> None:
        rows = self.run(self.database.fetch("SELECT message, token FROM effects"))
        seen = sorted((row["message"], row["token"]) for row in rows)
        assert seen == sorted((message, token) for message, expected in self.model.items() for token in expected.effects)


@pytest.fixture
def model_database(database_url: str) -> str:
    async def make() -> None:
        database = await Database.connect(database_url, pool_size=1)
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE effects (message uuid, token bigint)")
        await database.close()

    asyncio.run(make())
    return database_url


def test_the_outbox_and_the_model_agree_whatever_happens(model_database: str) -> None:
    class Machine(OutboxMachine):
        url = model_database

    Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
    Machine.TestCase("runTest").runTest()
