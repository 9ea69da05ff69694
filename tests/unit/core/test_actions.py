"""Effects outside: done at most once, whatever dies in between, and never repeated blindly."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.kernel.actions import Action, ActionState, Effect, perform, resolve
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import Failure
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from unit.core.core_in_memory import NOON, DatabaseInMemory, DeliveryInMemory, Died, StandingClock

KEY = "refund:1"


class LostBeforeTheCommit(BaseException):
    """The process died with the transaction open: nothing of it was written."""


@dataclass
class Shop:
    """A provider that keeps what was bought under each key. `before` is raised instead of doing, `after` once it is done."""

    bought: list[str] = field(default_factory=list)
    calls: int = 0
    look_ups: int = 0
    before: BaseException | None = None
    after: BaseException | None = None
    when_asked: BaseException | None = None

    async def buy(self) -> Mapping[str, Any]:
        self.calls += 1
        if self.before is not None:
            raise self.before
        self.bought.append(KEY)
        if self.after is not None:
            raise self.after
        return {"number": len(self.bought)}

    async def buy_once(self) -> Mapping[str, Any]:
        """As a provider does that honours the key."""
        self.calls += 1
        if KEY not in self.bought:
            self.bought.append(KEY)
        if self.after is not None:
            raise self.after
        return {"number": 1}

    async def find(self) -> Mapping[str, Any] | None:
        self.look_ups += 1
        if self.when_asked is not None:
            raise self.when_asked
        return {"number": 1} if KEY in self.bought else None


def effect(shop: Shop, *, finds: bool = True, repeatable: bool = False, time_limit: float = 60) -> Effect:
    return Effect(
        KEY,
        "test.buy",
        "shop",
        shop.buy_once if repeatable else shop.buy,
        look_up=shop.find if finds else None,
        repeatable=repeatable,
        time_limit=time_limit,
    )


async def buy(database: DatabaseInMemory, wanted: Effect) -> Mapping[str, Any]:
    return await perform(DeliveryInMemory(database), wanted, StandingClock())


def left_behind(state: ActionState, **values: Any) -> DatabaseInMemory:
    """A database with the action as an earlier worker left it."""
    database = DatabaseInMemory()
    action = Action(new_id(), KEY, "test.buy", "shop", None, state, NOON, NOON, tries=1, **values)
    database.state.actions.rows[KEY] = action
    return database


async def test_the_first_try_commits_its_intent_before_and_the_result_after_the_call() -> None:
    database = DatabaseInMemory()
    seen: list[ActionState] = []

    async def call() -> Mapping[str, Any]:
        seen.append(database.action(KEY).state)
        return {"number": 1}

    assert await buy(database, Effect(KEY, "test.buy", "shop", call)) == {"number": 1}
    assert seen == [ActionState.RUNNING]
    done = database.action(KEY)
    assert (done.state, done.result, done.tries) == (ActionState.SUCCEEDED, {"number": 1}, 1)


async def test_what_was_done_before_is_answered_and_neither_called_nor_asked() -> None:
    shop = Shop()
    assert await buy(left_behind(ActionState.SUCCEEDED, result={"number": 7}), effect(shop)) == {"number": 7}
    assert (shop.calls, shop.look_ups) == (0, 0)


async def test_what_failed_for_good_is_refused_again_with_the_providers_code_and_not_called() -> None:
    shop = Shop()
    database = left_behind(ActionState.FAILED, failure=Failure("rejected", "card declined", "shop", "buy", "D-51"))
    with pytest.raises(Rejected, match="card declined") as refused:
        await buy(database, effect(shop))
    assert (refused.value.code, refused.value.reason) == ("D-51", "refused_earlier")
    assert (shop.calls, shop.look_ups) == (0, 0)


@pytest.mark.parametrize("state", [ActionState.RUNNING, ActionState.UNKNOWN])
async def test_what_may_have_been_done_is_looked_up_and_when_found_not_called(state: ActionState) -> None:
    shop = Shop(bought=[KEY])
    database = left_behind(state)
    assert await buy(database, effect(shop, repeatable=True)) == {"number": 1}
    assert (shop.calls, shop.look_ups) == (0, 1)
    assert database.action(KEY).state is ActionState.SUCCEEDED


@pytest.mark.parametrize("state", [ActionState.RUNNING, ActionState.UNKNOWN])
async def test_what_surely_was_not_done_is_called_after_the_look_up(state: ActionState) -> None:
    shop = Shop()
    database = left_behind(state)
    assert await buy(database, effect(shop)) == {"number": 1}
    assert (shop.calls, shop.look_ups) == (1, 1)
    assert (database.action(KEY).state, database.action(KEY).tries) == (ActionState.SUCCEEDED, 2)


async def test_where_the_provider_honours_the_key_an_unknown_outcome_is_called_again() -> None:
    shop = Shop(bought=[KEY])
    assert await buy(left_behind(ActionState.RUNNING), effect(shop, finds=False, repeatable=True)) == {"number": 1}
    assert (shop.calls, shop.bought) == (1, [KEY])


@pytest.mark.parametrize("state", [ActionState.RUNNING, ActionState.UNKNOWN])
async def test_where_nobody_can_tell_nothing_is_called_and_a_person_must_look(state: ActionState) -> None:
    shop = Shop()
    database = left_behind(state)
    for _ in range(3):
        with pytest.raises(OutcomeUnknown, match="a person must look"):
            await buy(database, effect(shop, finds=False))
    assert shop.calls == 0
    assert database.action(KEY).state is state


@pytest.mark.parametrize(
    "error", [Unavailable("down"), RateLimited("slow down", retry_after=9), Misconfigured("old key"), Unsupported("no find")]
)
async def test_a_look_up_that_fails_leaves_the_outcome_unknown_whatever_it_raised(error: PortError) -> None:
    shop = Shop(bought=[KEY], when_asked=error)
    database = left_behind(ActionState.UNKNOWN)
    with pytest.raises(OutcomeUnknown, match=error.kind) as unknown:
        await buy(database, effect(shop))
    assert unknown.value.provider == "shop"
    assert (shop.calls, database.action(KEY).state) == (0, ActionState.UNKNOWN)


@pytest.mark.parametrize("error", [Unavailable("down"), RateLimited("slow"), Misconfigured("key"), Unsupported("no")])
async def test_what_surely_was_not_done_waits_in_the_queue_and_is_called_again_without_a_look_up(error: PortError) -> None:
    shop = Shop(before=error)
    database = DatabaseInMemory()
    with pytest.raises(type(error)):
        await buy(database, effect(shop))
    waiting = database.action(KEY)
    assert (waiting.state, waiting.failure) == (ActionState.QUEUED, Failure.of(error))
    shop.before = None
    assert await buy(database, effect(shop)) == {"number": 1}
    assert (shop.bought, shop.look_ups) == ([KEY], 0)


@pytest.mark.parametrize("error", [Unavailable("down"), RateLimited("slow"), Misconfigured("key"), Unsupported("no")])
@pytest.mark.parametrize("state", [ActionState.RUNNING, ActionState.UNKNOWN])
async def test_a_repetition_that_surely_did_nothing_leaves_the_try_before_it_unknown(
    state: ActionState, error: PortError
) -> None:
    """Else another provider would be asked, or the money be called not refunded, though the first try did it."""
    shop = Shop(bought=[KEY], before=error)
    database = left_behind(state)

    async def repeat() -> Mapping[str, Any]:
        return await (shop.buy() if shop.before is not None else shop.buy_once())

    repeatable = Effect(KEY, "test.buy", "shop", repeat, repeatable=True)
    with pytest.raises(OutcomeUnknown, match=error.kind):
        await buy(database, repeatable)
    assert database.action(KEY).state is ActionState.UNKNOWN
    shop.before = None
    assert await buy(database, repeatable) == {"number": 1}
    assert shop.bought == [KEY]


async def test_a_refusal_is_final() -> None:
    shop = Shop(before=Rejected("declined", reason="declined", provider="shop", code="D-51"))
    database = DatabaseInMemory()
    with pytest.raises(Rejected):
        await buy(database, effect(shop))
    assert database.action(KEY).state is ActionState.FAILED
    shop.before = None
    with pytest.raises(Rejected):
        await buy(database, effect(shop))
    assert (shop.calls, shop.bought) == (1, [])


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), RuntimeError("a defect"), TimeoutError()])
async def test_an_answer_that_is_lost_makes_the_outcome_unknown_and_the_next_try_finds_it(error: Exception) -> None:
    shop = Shop(after=error)
    database = DatabaseInMemory()
    with pytest.raises((type(error), OutcomeUnknown)):
        await buy(database, effect(shop))
    assert database.action(KEY).state is ActionState.UNKNOWN
    assert await buy(database, effect(shop)) == {"number": 1}
    assert (shop.calls, shop.bought) == (1, [KEY])


async def test_a_call_without_an_answer_in_its_time_is_cut_off_and_unknown() -> None:
    shop = Shop()

    async def never() -> Mapping[str, Any]:
        await shop.buy()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    database = DatabaseInMemory()
    with pytest.raises(OutcomeUnknown, match="in time"):
        await buy(database, Effect(KEY, "test.buy", "shop", never, look_up=shop.find, time_limit=0.01))
    assert database.action(KEY).state is ActionState.UNKNOWN
    assert await buy(database, effect(shop)) == {"number": 1}
    assert shop.bought == [KEY]


async def test_a_result_that_our_database_would_not_take_is_looked_up_and_not_bought_again() -> None:
    shop = Shop()
    database = DatabaseInMemory(fail_at={3: Unavailable("the database is away")})
    with pytest.raises(Unavailable):
        await buy(database, effect(shop))
    assert database.action(KEY).state is ActionState.RUNNING
    assert await buy(database, effect(shop)) == {"number": 1}
    assert shop.bought == [KEY]


LOST = st.sampled_from([None, OutcomeUnknown("no answer"), RuntimeError("a defect"), Died()])
"""What becomes of the answer to one try's call."""
CRASHES = st.lists(st.tuples(st.integers(1, 5), st.booleans(), LOST), max_size=8)
"""For each try: at which of its commits the worker dies, before or after it is written, and what becomes of the answer."""


@pytest.mark.parametrize(("finds", "repeatable"), [(True, False), (False, True), (True, True)])
@given(tries=CRASHES)
async def test_whatever_dies_the_effect_is_bought_once(
    finds: bool, repeatable: bool, tries: list[tuple[int, bool, BaseException | None]]
) -> None:
    shop, database = Shop(), DatabaseInMemory()
    for commit, written, answer in tries:
        shop.after = answer
        error: BaseException = Died() if written else LostBeforeTheCommit()
        database.commits, database.fail_at = 0, {commit: error}
        with contextlib.suppress(Died, LostBeforeTheCommit, OutcomeUnknown, RuntimeError):
            await buy(database, effect(shop, finds=finds, repeatable=repeatable))
        assert len(shop.bought) <= 1
    shop.after, database.fail_at = None, {}
    assert await buy(database, effect(shop, finds=finds, repeatable=repeatable)) == {"number": 1}
    assert shop.bought == [KEY]
    assert database.action(KEY).state is ActionState.SUCCEEDED


@given(tries=CRASHES)
async def test_where_nobody_can_tell_whatever_dies_it_is_bought_at_most_once(
    tries: list[tuple[int, bool, BaseException | None]],
) -> None:
    shop, database = Shop(), DatabaseInMemory()
    for commit, written, answer in [*tries, (9, True, None)]:
        shop.after = answer
        database.commits, database.fail_at = 0, {commit: Died() if written else LostBeforeTheCommit()}
        with contextlib.suppress(Died, LostBeforeTheCommit, OutcomeUnknown, RuntimeError):
            await buy(database, effect(shop, finds=False))
    assert len(shop.bought) <= 1
    state = database.action(KEY).state
    assert (state is ActionState.SUCCEEDED) <= (shop.bought == [KEY])


@pytest.mark.parametrize(
    ("bought", "state", "result"), [([KEY], ActionState.SUCCEEDED, {"number": 1}), ([], ActionState.FAILED, None)]
)
@pytest.mark.parametrize("left", [ActionState.RUNNING, ActionState.UNKNOWN])
async def test_what_is_no_longer_wanted_is_looked_up_and_never_called(
    left: ActionState, bought: list[str], state: ActionState, result: Mapping[str, Any] | None
) -> None:
    shop, database = Shop(bought=list(bought)), left_behind(left)
    await resolve(DeliveryInMemory(database), effect(shop), StandingClock())
    assert (database.action(KEY).state, database.action(KEY).result) == (state, result)
    assert (shop.calls, shop.look_ups, shop.bought) == (0, 1, bought)


@pytest.mark.parametrize("state", [ActionState.QUEUED, ActionState.SUCCEEDED, ActionState.FAILED])
async def test_where_there_is_no_doubt_nobody_is_asked(state: ActionState) -> None:
    shop, database = Shop(bought=[KEY]), left_behind(state)
    await resolve(DeliveryInMemory(database), effect(shop), StandingClock())
    assert (database.action(KEY).state, shop.calls, shop.look_ups) == (state, 0, 0)


async def test_a_doubt_that_nobody_can_resolve_stays() -> None:
    shop, database = Shop(), left_behind(ActionState.UNKNOWN)
    await resolve(DeliveryInMemory(database), effect(shop, finds=False), StandingClock())
    assert database.action(KEY).state is ActionState.UNKNOWN
    shop.when_asked = Unavailable("away")
    with pytest.raises(OutcomeUnknown):
        await resolve(DeliveryInMemory(database), effect(shop), StandingClock())
    assert database.action(KEY).state is ActionState.UNKNOWN
