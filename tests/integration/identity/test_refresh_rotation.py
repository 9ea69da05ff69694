"""Refresh tokens: good once, and the end of their family when shown again, in whatever order and however many at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployment import Deployment, OpenDeployment
from integration.identity.people import GENEROUS, code_of, registered
from madang.core.identity.sessions import SignedIn
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import Unauthenticated
from madang.core.operations.audit import AuditAction

BROWSER = Caller(CallerKind.ANONYMOUS, address="198.51.100.7", agent="Mozilla/5.0 (Test)")


async def signed_in(deployment: Deployment) -> SignedIn:
    member = await deployment.member()
    async with deployment.container.units() as uow:
        user = await uow.users.get(member.id, lock=True)
        assert user is not None
        return await deployment.container.sessions.open(uow, user, BROWSER)


async def outcome(deployment: Deployment, token: str) -> SignedIn | str:
    try:
        return await deployment.container.sessions.refresh(token, BROWSER)
    except Unauthenticated as refused:
        return refused.error_code


async def test_of_a_hundred_simultaneous_refreshes_one_wins_and_the_family_ends(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits=GENEROUS) as deployment:
        first = await registered(deployment)
        body = {"refreshToken": first["refreshToken"]}
        answers = await asyncio.gather(*(deployment.client.post("/auth/refresh", json=body) for _ in range(100)))
        [won] = [answer.json()["data"] for answer in answers if answer.status_code == 200]
        assert [code_of(answer) for answer in answers if answer.status_code == 401] == ["REFRESH_TOKEN_REUSED"] * 99
        after = await deployment.client.post("/auth/refresh", json={"refreshToken": won["refreshToken"]})
        assert (after.status_code, code_of(after)) == (401, "UNAUTHORIZED")
        headers = {"Authorization": f"Bearer {won['accessToken']}"}
        assert (await deployment.client.get("/auth/me", headers=headers)).status_code == 401
        assert await deployment.value("SELECT revoked_because FROM sessions") == "refresh_token_reused"
        told = "SELECT count(*) FROM audit_events WHERE action = $1"
        assert await deployment.value(told, AuditAction.REFRESH_TOKEN_REUSED.value) == 1


async def test_a_session_ends_for_good_however_often_it_is_refreshed(open_deployment: OpenDeployment) -> None:
    async with open_deployment(session_days=10) as deployment:
        tokens = await signed_in(deployment)
        for _ in range(3):
            await deployment.let_pass(days=3)
            found = await outcome(deployment, tokens.refresh_token)
            assert isinstance(found, SignedIn)
            tokens = found
        assert tokens.refresh_expires_at - datetime.now(UTC) < timedelta(days=1, minutes=1)
        await deployment.let_pass(days=1, minutes=1)
        assert await outcome(deployment, tokens.refresh_token) == "UNAUTHORIZED"


async def test_a_refresh_token_lasts_a_week_unused(deployment: Deployment) -> None:
    tokens = await signed_in(deployment)
    await deployment.let_pass(days=7, minutes=1)
    assert await outcome(deployment, tokens.refresh_token) == "UNAUTHORIZED"


@pytest.mark.parametrize("change", ["status = 'suspended'", "status = 'active', role = 'pm'"])
async def test_a_refresh_sees_what_became_of_the_user(deployment: Deployment, change: str) -> None:
    tokens = await signed_in(deployment)
    await deployment.execute(f"UPDATE users SET {change}")
    found = await outcome(deployment, tokens.refresh_token)
    if "suspended" in change:
        assert found == "UNAUTHORIZED"
    else:
        assert isinstance(found, SignedIn)
        claims = deployment.container.tokens.verify("api", found.access_token)
        assert (claims.extra["role"], "clients:write" in claims.extra["permissions"]) == ("pm", True)


async def test_every_process_hears_of_the_sessions_that_ended_with_the_commit(deployment: Deployment) -> None:
    heard: list[str] = []
    listening = await asyncpg.connect(deployment.container.database.url)
    try:
        await listening.add_listener("madang_revoked", lambda *told: heard.append(told[3]))
        first, second = await signed_in(deployment), await signed_in(deployment)
        async with deployment.container.units() as uow:
            assert await uow.sessions.revoke(first.user.id, "revoked", datetime.now(UTC)) == [first.session_id]
            assert await uow.sessions.revoke_one(second.session_id, "revoked", datetime.now(UTC))
            assert not await uow.sessions.revoke_one(second.session_id, "revoked", datetime.now(UTC))
            await listening.fetchval("SELECT 1")
            assert heard == []
        await listening.fetchval("SELECT 1")
        assert sorted(heard) == sorted([str(first.session_id), str(second.session_id)])
    finally:
        await listening.close()


async def test_no_token_shows_in_what_is_printed_of_a_sign_in(deployment: Deployment) -> None:
    tokens = await signed_in(deployment)
    assert tokens.refresh_token not in repr(tokens)
    assert tokens.access_token not in repr(tokens)


class Families:
    """Two sessions, each of its own user. One lives until it is ended or one of its used tokens is shown, and only its newest
    token is good."""

    def __init__(self, deployment: Deployment, opened: list[SignedIn]) -> None:
        self.deployment = deployment
        self.ids = [tokens.session_id for tokens in opened]
        self.shown = [[tokens.refresh_token] for tokens in opened]
        self.alive = [True, True]

    async def refresh(self, family: int, _: int) -> None:
        found = await outcome(self.deployment, self.shown[family][-1])
        assert isinstance(found, SignedIn) == self.alive[family]
        if isinstance(found, SignedIn):
            self.shown[family].append(found.refresh_token)
        else:
            assert found == "UNAUTHORIZED"

    async def show_a_used_one(self, family: int, back: int) -> None:
        if used := self.shown[family][:-1]:
            assert await outcome(self.deployment, used[-min(back, len(used))]) == "REFRESH_TOKEN_REUSED"
            self.alive[family] = False

    async def end(self, family: int, _: int) -> None:
        async with self.deployment.container.units() as uow:
            ended = await uow.sessions.revoke_one(self.ids[family], "logout", datetime.now(UTC))
        assert ended == self.alive[family]
        self.alive[family] = False

    async def both_hands_at_once(self, family: int, _: int) -> None:
        newest = self.shown[family][-1]
        found = await asyncio.gather(outcome(self.deployment, newest), outcome(self.deployment, newest))
        won = [tokens for tokens in found if isinstance(tokens, SignedIn)]
        assert len(won) == int(self.alive[family])
        self.shown[family] += [tokens.refresh_token for tokens in won]
        self.alive[family] = False

    async def check(self) -> None:
        for session_id, alive in zip(self.ids, self.alive, strict=True):
            ended = await self.deployment.value("SELECT revoked_at IS NOT NULL FROM sessions WHERE id = $1", session_id)
            assert ended is not alive


STEPS = st.tuples(
    st.sampled_from([Families.refresh, Families.show_a_used_one, Families.end, Families.both_hands_at_once]),
    st.integers(0, 1),
    st.integers(1, 3),
)


def test_any_order_of_refreshes_repetitions_and_ends_follows_the_rule(open_deployment: OpenDeployment) -> None:
    with asyncio.Runner() as runner:
        opening = open_deployment()
        deployment = runner.run(opening.__aenter__())

        async def play(steps: list[tuple[Any, int, int]]) -> None:
            families = Families(deployment, [await signed_in(deployment), await signed_in(deployment)])
            for step, family, back in steps:
                await step(families, family, back)
                await families.check()

        @settings(max_examples=25)
        @given(st.lists(STEPS, max_size=12))
        def holds(steps: list[tuple[Any, int, int]]) -> None:
            runner.run(play(steps))

        try:
            holds()
        finally:
            runner.run(opening.__aexit__(None, None, None))
