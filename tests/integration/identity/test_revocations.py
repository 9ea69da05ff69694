"""An ended session's access token dies in every API process, without a question to the database for each request."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import asyncpg
import pytest

from deployment import Deployment, OpenDeployment
from madang.adapters.postgres.identity.revocations import Revocations
from madang.core.identity.sessions import Ended, SignedIn
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.clock import SystemClock

BROWSER = Caller(CallerKind.ANONYMOUS, address="198.51.100.7", agent="Mozilla/5.0 (Test)")
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def signed_in(deployment: Deployment) -> SignedIn:
    member = await deployment.member()
    async with deployment.container.units() as uow:
        user = await uow.users.get(member.id, lock=True)
        assert user is not None
        return await deployment.container.sessions.open(uow, user, BROWSER)


def bearer(session: SignedIn) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {session.access_token}"}


async def status(deployment: Deployment, session: SignedIn) -> int:
    return (await deployment.client.get("/api-keys", headers=bearer(session))).status_code


async def refused_soon(deployment: Deployment, session: SignedIn) -> None:
    async with asyncio.timeout(60):
        while await status(deployment, session) != 401:
            await asyncio.sleep(0.01)


async def end(deployment: Deployment, session: SignedIn) -> None:
    async with deployment.container.units() as uow:
        assert await uow.sessions.revoke_one(session.session_id, Ended.LOGOUT, SystemClock().now())


async def test_a_revoked_session_is_refused_at_once_here_and_heard_of_everywhere(open_deployment: OpenDeployment) -> None:
    async with open_deployment() as here, open_deployment() as there:
        session, other = await signed_in(here), await signed_in(here)
        assert [await status(here, session), await status(there, session)] == [200, 200]
        await end(here, session)
        refused = await here.client.get("/api-keys", headers=bearer(session))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
        await refused_soon(there, session)
        assert [await status(here, other), await status(there, other)] == [200, 200]


async def test_all_sessions_of_a_user_end_together(open_deployment: OpenDeployment) -> None:
    async with open_deployment() as here, open_deployment() as there:
        session = await signed_in(here)
        async with here.container.units() as uow:
            await uow.sessions.revoke(session.user.id, Ended.SUSPENDED, SystemClock().now())
        assert await status(here, session) == 401
        await refused_soon(there, session)


async def test_what_is_rolled_back_revokes_nothing(deployment: Deployment) -> None:
    session = await signed_in(deployment)
    with pytest.raises(RuntimeError):
        async with deployment.container.units() as uow:
            await uow.sessions.revoke_one(session.session_id, Ended.LOGOUT, SystemClock().now())
            raise RuntimeError
    assert await status(deployment, session) == 200


async def test_a_process_that_begins_knows_what_ended_before(open_deployment: OpenDeployment) -> None:
    async with open_deployment() as before:
        session = await signed_in(before)
        await end(before, session)
    async with open_deployment() as after:
        assert await status(after, session) == 401


async def test_a_process_whose_connection_was_cut_hears_what_it_missed(open_deployment: OpenDeployment) -> None:
    async with open_deployment() as here, open_deployment() as there:
        session = await signed_in(here)
        assert await status(there, session) == 200
        one = await asyncpg.connect(here.container.database.url)
        try:
            await one.execute(OTHERS)
        finally:
            await one.close()
        await here.execute("UPDATE sessions SET revoked_at = now(), revoked_because = 'logout'")
        await refused_soon(there, session)
        again = await signed_in(here)
        await end(here, again)
        await refused_soon(there, again)


async def test_what_nobody_notified_is_found_by_asking(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("madang.adapters.postgres.identity.revocations.POLL_SECONDS", 0.05)
    session = await signed_in(deployment)
    revocations = Revocations(deployment.container.database, lambda _: None)
    watch = asyncio.create_task(revocations.watch())
    try:
        assert await revocations.loaded(60)
        assert not revocations.ended(str(session.session_id))
        await deployment.execute("UPDATE sessions SET revoked_at = now(), revoked_because = 'logout'")
        async with asyncio.timeout(60):
            while not revocations.ended(str(session.session_id)):
                await asyncio.sleep(0.01)
    finally:
        watch.cancel()
        await asyncio.wait([watch])


async def test_what_is_older_than_any_access_token_is_forgotten(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.adapters.postgres.identity.revocations.POLL_SECONDS", 0.02)
    monkeypatch.setattr("madang.adapters.postgres.identity.revocations.MARGIN", timedelta())
    revocations = Revocations(deployment.container.database, lambda _: None, lifetime=timedelta(seconds=0.1))
    watch = asyncio.create_task(revocations.watch())
    try:
        assert await revocations.loaded(60)
        revocations.hear("a session that nobody has")
        assert revocations.ended("a session that nobody has")
        async with asyncio.timeout(60):
            while revocations.ended("a session that nobody has"):
                await asyncio.sleep(0.005)
    finally:
        watch.cancel()
        await asyncio.wait([watch])
