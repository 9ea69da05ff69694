"""The master key changes while everything goes on: nothing is lost, nothing is left behind, nobody is locked out."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from deployment import Deployment, deployed
from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.sealed_rows import PostgresSealedRows
from madang.core.identity.model import EMAIL_PURPOSE, NAME_PURPOSE
from madang.core.kernel.caller import OPERATOR, Caller, CallerKind
from madang.core.kernel.ids import new_id
from madang.core.kernel.paging import CursorRequest
from madang.core.operations.audit import AuditAction, AuditTrail, Origin
from madang.core.operations.key_rotation import KeyRotation
from madang.ports.secret import Secret
from operator_shell import Run

OLD = "test-key-not-secret-test-key-not-secret"
NEW = "test-key-not-secret-the-new-one-1111111"
KEYS = [Secret(f"test-key-not-secret-number-{number}-0000000000") for number in range(3)]
RINGS = [AesGcmCipher(KeyRing(KEYS[2 - age], *KEYS[: 2 - age])) for age in range(3)]
"""The newest first: each knows its own key as the current one, and all that came before."""
_USER = """
INSERT INTO users (id, role, status, locale, email, email_hash, name, created_at, updated_at)
VALUES ($1, 'client', 'active', 'ko', $2, $3, $4, now(), now())
"""


class Interrupted(Exception):
    """The process ends here."""


class Interruptible(PostgresSealedRows):
    """Ends the process before or after a few of its statements."""

    left: int | None = None

    async def older(self, *arguments: Any, **named: Any) -> Any:
        self._count()
        return await super().older(*arguments, **{**named, "limit": 2})

    async def replace(self, *arguments: Any) -> int:
        self._count()
        done = await super().replace(*arguments)
        self._count()
        return done

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Interrupted


def rotated(opened: Deployment, rows: PostgresSealedRows, cipher: AesGcmCipher) -> Any:
    units, key_id = opened.container.units, cipher.key_id_of(cipher.head)
    return KeyRotation(rows, cipher, [key_id], units, AuditTrail(cipher, opened.container.clock)).rotate(OPERATOR)


_ages = st.integers(0, 2)
_users = st.lists(st.tuples(st.emails(), _ages, st.text(max_size=5).filter(lambda t: "\0" not in t), _ages), max_size=7)


def test_any_mix_of_keys_interrupted_anywhere_ends_under_the_current_one_with_every_value_unchanged(
    make_settings: Callable[..., Any],
) -> None:
    async def opened(loop: asyncio.Runner) -> Any:
        manager = deployed(make_settings())
        return manager, await manager.__aenter__()

    with asyncio.Runner() as loop:
        manager, deployment = loop.run(opened(loop))

        @settings(max_examples=25)
        @given(users=_users, keys=st.lists(_ages, max_size=4), stops=st.lists(st.integers(0, 12), max_size=3))
        def property_(users: list[Any], keys: list[int], stops: list[int]) -> None:
            loop.run(_ends_under_the_current_key(deployment, users, keys, stops))

        try:
            property_()
        finally:
            loop.run(manager.__aexit__(None, None, None))


async def _ends_under_the_current_key(
    deployment: Deployment, users: Sequence[tuple[str, int, str, int]], keys: Sequence[int], stops: Sequence[int]
) -> None:
    await deployment.execute("DELETE FROM users")
    await deployment.execute("DELETE FROM personal_keys")
    expected: dict[UUID, tuple[str, str]] = {}
    for email, mail_age, name, name_age in {user[0].lower(): user for user in users}.values():
        identity, under, sealed_by = new_id(), RINGS[mail_age], RINGS[name_age]
        sealed = under.encrypt(email, purpose=EMAIL_PURPOSE), under.keyed_hash(email.lower(), purpose=EMAIL_PURPOSE)
        await deployment.execute(_USER, identity, *sealed, sealed_by.encrypt(name, purpose=NAME_PURPOSE))
        expected[identity] = (email, name)
    for age in keys:
        wrapped = RINGS[age].new_data_key()
        told = RINGS[0].encrypt_under(wrapped, "canary", purpose="a.b")
        await deployment.execute("INSERT INTO personal_keys (person_id, wrapped) VALUES ($1, $2)", new_id(), wrapped)
        assert RINGS[0].decrypt_under(wrapped, told, purpose="a.b") == "canary"

    rows = Interruptible(deployment.container.database)
    for stop in stops:
        rows.left = stop
        try:
            await rotated(deployment, rows, RINGS[0])
        except Interrupted:
            continue
    rows.left = None
    outcome = await rotated(deployment, rows, RINGS[0])

    assert outcome.complete
    assert outcome.unreadable == {}
    newest = AesGcmCipher(KeyRing(KEYS[2]))
    found = await deployment.rows("SELECT id, email, email_hash, name FROM users")
    assert {
        row["id"]: (newest.decrypt(row["email"], purpose=EMAIL_PURPOSE), newest.decrypt(row["name"], purpose=NAME_PURPOSE))
        for row in found
    } == expected
    for row in found:
        assert row["email_hash"] == newest.keyed_hash(expected[row["id"]][0].lower(), purpose=EMAIL_PURPOSE)
    wraps = [row["wrapped"] for row in await deployment.rows("SELECT wrapped FROM personal_keys")]
    assert len(wraps) == len(keys)
    assert all(newest.is_current(wrapped) for wrapped in wraps)


async def test_what_somebody_changes_or_holds_meanwhile_is_neither_overwritten_nor_waited_for(
    deployment: Deployment,
) -> None:
    old, new = RINGS[1], RINGS[0]
    identities = [new_id() for _ in range(3)]
    for number, identity in enumerate(identities):
        email = f"{number}@example.com"
        hashed = old.keyed_hash(email, purpose=EMAIL_PURPOSE)
        sealed = old.encrypt("before", purpose=NAME_PURPOSE)
        await deployment.execute(_USER, identity, old.encrypt(email, purpose=EMAIL_PURPOSE), hashed, sealed)
    rows = PostgresSealedRows(deployment.container.database)
    [users] = [table for table in rows.tables if table.name == "users"]
    found = await rows.older(users, head=new.head, after=None, limit=10)
    anew = [(row, {column: b"anew" + bytes([place]) for place, column in enumerate(users.columns)}) for row in found]
    late = old.encrypt("after", purpose=NAME_PURPOSE)
    await deployment.execute("UPDATE users SET name = $2 WHERE id = $1", identities[0], late)
    async with deployment.container.units() as uow:
        await uow.users.get(identities[1], lock=True)
        assert await rows.replace(users, anew) == 1
    kept = {row["id"]: row["name"] for row in await deployment.rows("SELECT id, name FROM users")}
    assert kept[identities[0]] == late
    assert old.decrypt(kept[identities[1]], purpose=NAME_PURPOSE) == "before"
    assert kept[identities[2]].startswith(b"anew")


async def test_by_command_old_keys_are_listed_replaced_and_can_then_be_removed(
    make_settings: Callable[..., Any], database_url: str, redis_url: str, tmp_path: Path, run: Run
) -> None:
    async with deployed(make_settings()) as before:
        member = await before.member()
        await audited(before, member.id)
    servers = {"MADANG_DATABASE_URL": database_url, "MADANG_REDIS_URL": redis_url, "MADANG_SECRET_KEY": NEW}
    both = {**servers, "MADANG_OLDER_SECRET_KEYS": json.dumps([OLD])}

    lost = run("keys", "list", "--json", folder=tmp_path, **servers)
    assert (lost.returncode, [key["known"] for key in json.loads(lost.stdout)]) == (1, [True, False])
    listed = json.loads(run("keys", "list", "--json", folder=tmp_path, **both).stdout)
    assert [(key["current"], key["known"], key["byTable"]) for key in listed] == [
        (True, True, {}),
        (False, True, {"users": 2, "personal_keys": 1}),
    ]
    done = run("keys", "rotate", "--json", folder=tmp_path, **both)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "sealedAnew": {"users": 1, "personal_keys": 1},
        "left": {},
        "unreadable": {},
        "olderKeysCanBeRemoved": True,
    }
    async with deployed(make_settings(secret_key=NEW)) as after, after.container.units() as uow:
        user = await uow.users.by_email(after.container.cipher.keyed_hashes(member.email, purpose=EMAIL_PURPOSE))
        assert user is not None
        assert after.container.cipher.decrypt(user.email or b"", purpose=EMAIL_PURPOSE) == member.email
        ended, begun, told = (await uow.audit.page(CursorRequest())).items
        assert await after.container.audit_trail.origin_of(uow, told) == Origin("198.51.100.7", "Mozilla/5.0")
    assert {begun.action, ended.action} == {AuditAction.KEYS_ROTATED}
    assert (ended.actor_kind, ended.details["rows"]) == (CallerKind.OPERATOR, {"users": 1, "personal_keys": 1})


async def test_a_row_that_cannot_be_opened_keeps_no_other_from_being_sealed_anew(deployment: Deployment) -> None:
    stranger = AesGcmCipher(KeyRing(Secret("test-key-not-secret-of-nobody-at-all-000")))
    for cipher in (stranger, RINGS[1]):
        email = f"{id(cipher)}@example.com"
        sealed = cipher.encrypt(email, purpose=EMAIL_PURPOSE), cipher.keyed_hash(email, purpose=EMAIL_PURPOSE)
        await deployment.execute(_USER, new_id(), *sealed, None)
    outcome = await rotated(deployment, PostgresSealedRows(deployment.container.database), RINGS[0])
    assert (outcome.complete, outcome.sealed_anew) == (False, {"users": 1})
    assert (outcome.left, outcome.unreadable) == ({"users": 1}, {"users": 1})


async def audited(deployment: Deployment, user_id: UUID) -> None:
    caller = Caller(CallerKind.USER, user_id, address="198.51.100.7", agent="Mozilla/5.0")
    async with deployment.container.units() as uow:
        await deployment.container.audit_trail.record(uow, caller, AuditAction.USER_LOGIN, f"user:{user_id}")
