"""A key answers as its history says, whatever the order of claims, answers, releases and time."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.idempotency import PostgresIdempotencyStore
from madang.core.kernel.idempotency import ClaimOutcome, KeptAnswer
from madang.core.kernel.ids import new_id
from madang.ports.secret import Secret

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE, KEEP = 30.0, 3600.0
ANSWER = KeptAnswer(201, "application/json", b'{"token": "canary-token"}\x00\xff')


@pytest.fixture
def store(database: Database) -> PostgresIdempotencyStore:
    return keeping(database)


def keeping(database: Database) -> PostgresIdempotencyStore:
    return PostgresIdempotencyStore(database, AesGcmCipher(KeyRing(Secret("test-key-not-secret-test-key-not-secret"))))


@dataclass
class Remembered:
    """What the store must know of one key: our own few lines of the same rules."""

    body: bytes
    subject_id: UUID
    lease_until: datetime
    expires_at: datetime
    claims: int = 1
    answer: KeptAnswer | None = None


def expected(kept: Remembered | None, body: bytes, now: datetime) -> ClaimOutcome:
    if kept is None or kept.expires_at <= now:
        return ClaimOutcome.CLAIMED
    if kept.body != body:
        return ClaimOutcome.REUSED
    if kept.answer is not None:
        return ClaimOutcome.REPLAY
    return ClaimOutcome.CLAIMED if kept.lease_until <= now else ClaimOutcome.IN_PROGRESS


steps = st.one_of(
    st.tuples(st.just("claim"), st.sampled_from([b"one", b"other"])),
    st.tuples(st.just("answer"), st.sampled_from([b"a", b"b", ANSWER.body])),
    st.tuples(st.just("release"), st.just(b"")),
    st.tuples(st.just("wait"), st.sampled_from([b"1", b"31", b"3601"])),
)


@settings(max_examples=60)
@given(history=st.lists(steps, max_size=14))
async def test_a_key_answers_as_its_history_says(store: PostgresIdempotencyStore, history: list[tuple[str, bytes]]) -> None:
    key, now, kept = str(new_id()), START, None
    for step, value in history:
        if step == "claim":
            outcome = expected(kept, value, now)
            claim = await store.claim("scope", key, value, now=now, lease=LEASE, keep=KEEP)
            assert claim.outcome is outcome
            kept = _after_claim(kept, claim.subject_id, outcome, value, now)
            assert claim.subject_id == kept.subject_id
            assert claim.answer == (kept.answer if outcome is ClaimOutcome.REPLAY else None)
        elif step == "answer":
            answer = KeptAnswer(200, "text/plain", value)
            await store.answer("scope", key, answer)
            if kept is not None and kept.answer is None:
                kept.answer = answer
        elif step == "release":
            await store.release("scope", key)
            kept = _after_release(kept)
        else:
            now += timedelta(seconds=int(value))


def _after_claim(kept: Remembered | None, subject_id: UUID, outcome: ClaimOutcome, body: bytes, now: datetime) -> Remembered:
    if outcome is not ClaimOutcome.CLAIMED:
        assert kept is not None
        return kept
    lease_until, expires_at = now + timedelta(seconds=LEASE), now + timedelta(seconds=KEEP)
    if kept is None or kept.expires_at <= now:
        assert kept is None or subject_id != kept.subject_id
        return Remembered(body, subject_id, lease_until, expires_at)
    return Remembered(body, kept.subject_id, lease_until, expires_at, kept.claims + 1)


def _after_release(kept: Remembered | None) -> Remembered | None:
    if kept is None or kept.answer is not None:
        return kept
    if kept.claims == 1:
        return None
    kept.lease_until = datetime.min.replace(tzinfo=UTC)
    return kept


async def test_of_a_hundred_claims_at_once_one_goes_on(store: PostgresIdempotencyStore) -> None:
    claims = await asyncio.gather(*(store.claim("s", "k", b"body", now=START, lease=LEASE, keep=KEEP) for _ in range(100)))
    outcomes = [claim.outcome for claim in claims]
    assert outcomes.count(ClaimOutcome.CLAIMED) == 1
    assert outcomes.count(ClaimOutcome.IN_PROGRESS) == 99
    assert len({claim.subject_id for claim in claims}) == 1


async def test_a_key_of_one_scope_says_nothing_about_another(store: PostgresIdempotencyStore) -> None:
    for scope in ("account-1:order", "account-2:order"):
        claim = await store.claim(scope, "k", b"body", now=START, lease=LEASE, keep=KEEP)
        assert claim.outcome is ClaimOutcome.CLAIMED


async def test_the_first_answer_stays(store: PostgresIdempotencyStore) -> None:
    await store.claim("s", "k", b"body", now=START, lease=LEASE, keep=KEEP)
    await store.answer("s", "k", ANSWER)
    await store.answer("s", "k", KeptAnswer(500, "text/plain", b"late"))
    assert (await store.claim("s", "k", b"body", now=START, lease=LEASE, keep=KEEP)).answer == ANSWER


async def test_a_kept_answer_is_not_readable_in_the_database(store: PostgresIdempotencyStore, database: Database) -> None:
    await store.claim("s", "k", b"body", now=START, lease=LEASE, keep=KEEP)
    await store.answer("s", "k", ANSWER)
    rows = await database.fetch("SELECT body, row_to_json(k)::text AS line FROM idempotency_keys AS k")
    assert b"canary" not in rows[0]["body"]
    assert "canary" not in rows[0]["line"]


LOOPS_ALONE = "&".join(
    f"enable_{way}=off" for way in ("hashjoin", "mergejoin", "hashagg", "sort", "incremental_sort", "material")
)


@pytest.mark.parametrize("plan", ["", LOOPS_ALONE], ids=["usual plan", "nested loops"])
async def test_keys_whose_time_is_over_are_deleted_and_no_others(database_url: str, plan: str) -> None:
    """A subquery that locks its rows finds others each time that it is read: a loop over it would pass any limit."""
    address = f"{database_url}{'&' if '?' in database_url else '?'}{plan}" if plan else database_url
    database = await Database.connect(address, pool_size=2)
    store = keeping(database)
    for key, keep in (("older", 5.0), ("old", 10.0), ("young", KEEP)):
        await store.claim("s", key, b"body", now=START, lease=1, keep=keep)
        await store.answer("s", key, ANSWER)
    later = START + timedelta(seconds=10)
    assert await store.purge_expired(later, limit=1) == 1
    assert await store.purge_expired(later) == 1
    assert await store.purge_expired(later) == 0
    assert (await store.claim("s", "young", b"body", now=later, lease=1, keep=KEEP)).outcome is ClaimOutcome.REPLAY
    await database.close()
