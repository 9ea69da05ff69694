"""What is remembered of API keys: never past their end, never past a change, and never without bound."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from madang.core.identity.api_key_check import REMEMBERED, ApiKeyCheck
from madang.core.identity.api_keys import MARK
from madang.core.identity.model import ApiKey, UserStatus
from madang.core.identity.one_time import digest_of, new_secret
from madang.core.identity.repository import KeyHolder
from madang.core.identity.roles import Role
from madang.core.kernel.errors import Unauthenticated
from madang.core.kernel.ids import new_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Holders:
    """Fulfils `KeyHolders` and `Clock`; an answer waits while `slow` is not set."""

    time: datetime = NOW
    kept: dict[bytes, KeyHolder] = field(default_factory=dict)
    asked: int = 0
    slow: asyncio.Event | None = None

    def now(self) -> datetime:
        return self.time

    def with_key(self, **changes: object) -> tuple[str, ApiKey]:
        secret = MARK + new_secret()
        key = ApiKey(new_id(), new_id(), "a key", secret[:13], digest_of(secret), frozenset({"files:read"}), NOW)
        key = replace(key, **changes)  # type: ignore[arg-type]
        self.kept[key.digest] = KeyHolder(key, Role.CLIENT, UserStatus.ACTIVE)
        return secret, key

    async def by_digest(self, digest: bytes, now: datetime) -> KeyHolder | None:
        self.asked += 1
        found = self.kept.get(digest)
        if self.slow is not None:
            await self.slow.wait()
        return found


async def test_a_good_key_is_asked_about_once_in_a_while() -> None:
    holders = Holders()
    check, (secret, key) = ApiKeyCheck(holders, holders), holders.with_key()
    claims = [await check.verify(secret) for _ in range(3)]
    assert holders.asked == 1
    assert claims[0].extra == {
        "userId": str(key.user_id),
        "role": "client",
        "permissions": ["files:read"],
        "keyId": str(key.id),
    }
    holders.time += REMEMBERED
    await check.verify(secret)
    assert holders.asked == 2


async def test_a_remembered_key_ends_at_its_own_time() -> None:
    holders = Holders()
    check, (secret, _) = ApiKeyCheck(holders, holders), holders.with_key(expires_at=NOW + timedelta(seconds=5))
    await check.verify(secret)
    holders.time += timedelta(seconds=5)
    with pytest.raises(Unauthenticated, match="expired"):
        await check.verify(secret)


async def test_an_answer_that_a_change_overtook_is_not_remembered() -> None:
    holders = Holders(slow=asyncio.Event())
    assert holders.slow is not None
    check, (secret, key) = ApiKeyCheck(holders, holders), holders.with_key()
    on_its_way = asyncio.create_task(check.verify(secret))
    await asyncio.sleep(0)
    holders.kept[key.digest] = KeyHolder(replace(key, revoked_at=NOW), Role.CLIENT, UserStatus.ACTIVE)
    check.forget(str(key.id))
    holders.slow.set()
    await on_its_way
    with pytest.raises(Unauthenticated):
        await check.verify(secret)


async def test_the_memory_of_keys_is_bounded() -> None:
    holders = Holders()
    check = ApiKeyCheck(holders, holders, remembered=2)
    secrets = [holders.with_key()[0] for _ in range(3)]
    for secret in (*secrets, secrets[0]):
        await check.verify(secret)
    assert holders.asked == 4
    await check.verify(secrets[2])
    assert holders.asked == 4


@pytest.mark.parametrize("written", ["", MARK, MARK + "A" * 42, MARK + "é" * 43, "sk_" + "A" * 47])
async def test_what_cannot_be_a_key_is_asked_of_nobody(written: str) -> None:
    holders = Holders()
    with pytest.raises(Unauthenticated):
        await ApiKeyCheck(holders, holders).verify(written)
    assert holders.asked == 0
