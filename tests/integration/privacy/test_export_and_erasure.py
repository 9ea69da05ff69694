"""A copy of everything, and to be forgotten: at once for the world, soon in every table, whatever dies in between."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployment import ADDRESS, Deployment, Member
from madang.core.identity.roles import Role
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import WrongState
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage, RetryPolicy
from madang.core.operations.audit import AuditAction
from madang.core.operations.deletion import digest_of
from madang.core.privacy.erasing import ERASE
from madang.core.privacy.model import TRANSITIONS, Erasure, ErasureStatus
from madang.ports.errors import Unavailable

ME = "/privacy/me"
AGENT = "Mozilla/5.0 (canary)"
CONFIRMED = {"confirm": True}


async def erase(deployment: Deployment, member: Member, **body: Any) -> Any:
    answer = await deployment.client.request("DELETE", ME, json={**CONFIRMED, **body}, headers=member.headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]


async def status(deployment: Deployment, asked: Mapping[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {asked['token']}"}
    answer = await deployment.client.get(f"/privacy/erasures/{asked['id']}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def seen(deployment: Deployment, member: Member, action: AuditAction = AuditAction.USER_LOGIN) -> None:
    """Something of the person's in the trail, and so a data key of theirs."""
    caller = Caller(CallerKind.USER, member.id, address=ADDRESS, agent=AGENT)
    async with deployment.container.units() as uow:
        await deployment.container.audit_trail.record(uow, caller, action, f"user:{member.id}")


async def uploaded(deployment: Deployment, member: Member, name: str = "canary.txt") -> Any:
    files = {"file": (name, b"the canary sings", "text/plain")}
    answer = await deployment.client.post("/files", files=files, data={"purpose": "document"}, headers=member.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


# The copy


async def test_the_copy_holds_every_context_and_where_one_was_as_a_file_to_keep(deployment: Deployment) -> None:
    member, stranger = await deployment.member(), await deployment.member()
    await seen(deployment, member)
    await seen(deployment, stranger)
    await uploaded(deployment, member)
    answer = await deployment.client.get("/privacy/export", headers={**member.headers, "user-agent": AGENT})
    assert answer.headers["content-disposition"].startswith('attachment; filename="madang-export-')
    assert set(re.findall(r'T\d\d:\d\d:[\d.]+(Z|[+-]\d\d:\d\d)"', answer.text)) == {"+09:00"}
    assert answer.headers["cache-control"] == "no-store"
    copy = answer.json()["data"]
    assert copy["userId"] == str(member.id)
    [login, *_] = [event for event in copy["sections"]["activity"]["events"] if event["action"] == "USER_LOGIN"]
    assert (login["address"], login["agent"], login["byYou"]) == (ADDRESS, AGENT, True)
    assert {"identity", "paymentPlans"} <= set(copy["sections"])
    [file] = copy["sections"]["files"]["files"]
    assert file["filename"] == "canary.txt"
    assert str(stranger.id) not in answer.text
    async with deployment.container.units() as uow:
        [event] = await uow.audit.about(member.id, limit=1)
    assert event.action is AuditAction.DATA_EXPORTED


async def test_the_copy_is_limited_and_open_to_the_person_alone(deployment: Deployment) -> None:
    member = await deployment.member()
    codes = [(await deployment.client.get("/privacy/export", headers=member.headers)).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    assert (await deployment.client.get("/privacy/export")).status_code == 401


# To be forgotten


async def test_who_asks_is_shut_out_at_once_and_forgotten_soon(deployment: Deployment) -> None:
    member = await deployment.member()
    await seen(deployment, member)
    asked = await erase(deployment, member)
    assert asked["status"] == "queued"
    assert await deployment.value("SELECT status FROM users WHERE id = $1", member.id) == "erasing"
    await deployment.work()
    done = await status(deployment, asked)
    assert (done["status"], done["verifiedAt"]) == ("succeeded", None)
    assert done["receipt"]["rows"]["personal_keys"] == 1
    assert await deployment.value("SELECT count(*) FROM personal_keys WHERE person_id = $1", member.id) == 0
    await deployment.let_pass(minutes=10)
    await deployment.work()
    assert (await status(deployment, asked))["verifiedAt"] is not None
    async with deployment.container.units() as uow:
        receipt = await uow.receipts.by_subject(f"erasure:{asked['id']}")
        told = [event.action for event in await uow.audit.about(member.id, limit=10)]
    assert receipt is not None
    assert receipt.verified_at is not None
    assert told == [AuditAction.USER_ERASED, AuditAction.ERASURE_ASKED, AuditAction.USER_LOGIN]


async def test_the_person_is_written_to_once_and_the_address_is_not_kept(deployment: Deployment) -> None:
    member = await deployment.member(locale="en")
    await erase(deployment, member)
    await deployment.work()
    [letter] = await deployment.e_mails()
    assert letter.recipient == member.email
    assert "deleted" in letter.text
    rows = await deployment.rows("SELECT num_nonnulls(recipient, text, content, user_id) AS kept FROM notifications")
    assert [row["kept"] for row in rows] == [0]


async def test_asked_again_the_first_one_is_answered_also_by_many_at_once(deployment: Deployment) -> None:
    member = await deployment.member()
    caller = Caller(CallerKind.USER, member.id)
    asked = await asyncio.gather(
        *(deployment.container.privacy.erase_me(caller, new_id(), password=None, code=None) for _ in range(20))
    )
    assert len({erasure.id for erasure in asked}) == 1
    await deployment.work()
    assert await deployment.value("SELECT count(*) FROM deletion_receipts") == 1


@pytest.mark.parametrize("body", [{}, {"confirm": False}, {"confirm": True, "role": "admin"}, {"confirm": "yes"}])
async def test_without_a_clear_yes_nothing_happens(deployment: Deployment, body: dict[str, Any]) -> None:
    member = await deployment.member()
    answer = await deployment.client.request("DELETE", ME, json=body, headers=member.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert await deployment.value("SELECT count(*) FROM erasures") == 0


async def test_the_status_opens_to_its_own_token_alone(deployment: Deployment) -> None:
    one, other = await deployment.member(), await deployment.member()
    asked, anothers = await erase(deployment, one), await erase(deployment, other)
    path = f"/privacy/erasures/{asked['id']}"
    for token, code in ((anothers["token"], 404), (one.headers["Authorization"].removeprefix("Bearer "), 401), ("x", 401)):
        answer = await deployment.client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == code, answer.text


async def test_the_last_administrator_cannot_go_and_of_two_at_once_one_stays(deployment: Deployment) -> None:
    one, other = await deployment.member(Role.ADMIN), await deployment.member(Role.ADMIN)
    answers = await asyncio.gather(
        *(deployment.client.request("DELETE", ME, json=CONFIRMED, headers=admin.headers) for admin in (one, other))
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    [refused] = [answer.json()["error"]["code"] for answer in answers if answer.status_code == 409]
    assert refused == "LAST_ADMIN"


async def test_an_administrator_has_somebody_forgotten_who_asked_by_another_way(deployment: Deployment) -> None:
    admin, member = await deployment.member(Role.ADMIN), await deployment.member()
    refused = await deployment.client.delete(f"/users/{admin.id}", headers=member.headers)
    asked = await deployment.client.delete(f"/users/{member.id}", headers=admin.headers)
    nobody = await deployment.client.delete(f"/users/{new_id()}", headers=admin.headers)
    assert (refused.status_code, asked.status_code, nobody.status_code) == (403, 202, 404)
    await deployment.work()
    assert (await status(deployment, asked.json()["data"]))["status"] == "succeeded"
    async with deployment.container.units() as uow:
        events = await uow.audit.about(member.id, limit=10)
    assert [(event.action, event.actor_id) for event in events] == [
        (AuditAction.USER_ERASED, None),
        (AuditAction.ERASURE_ASKED, admin.id),
    ]


# Whatever dies in between


@dataclass
class Fragile:
    """A context whose process ends at the n-th thing that is asked of it, once for each of `deaths`."""

    deaths: set[int] = field(default_factory=set)
    asked: int = 0
    outside: set[UUID] = field(default_factory=set)
    erased: list[UUID] = field(default_factory=list)
    name: str = "fragile"
    tables: frozenset[str] = frozenset()

    async def export(self, uow: Any, user_id: UUID) -> Mapping[str, Any]:
        return {}

    async def forget_outside(self, user_id: UUID) -> None:
        self._live()
        self.outside.discard(user_id)
        self._live()

    async def erase(self, uow: Any, user_id: UUID, now: datetime) -> Mapping[str, int]:
        self._live()
        assert user_id not in self.outside, "the rows went before what lies outside"
        await uow.connection.execute("UPDATE users SET locale = 'en' WHERE id = $1 AND locale <> 'en'", user_id)
        self._live()
        self.erased.append(user_id)
        return {}

    def _live(self) -> None:
        self.asked += 1
        if self.asked in self.deaths:
            raise Unavailable("the process ends here", provider="test", operation="die")


@pytest.mark.parametrize("deaths", [{1}, {2}, {3}, {4}, {1, 4}, {1, 2, 3, 4, 5, 6, 7, 8}])
async def test_a_death_between_any_two_steps_leaves_nothing_behind(
    deployment: Deployment, deaths: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetryPolicy, "next_delay", lambda *_: 0.0)
    member = await deployment.member()
    await seen(deployment, member)
    fragile = Fragile(deaths, outside={member.id})
    deployment.container.erasing.contexts.insert(1, fragile)
    asked = await erase(deployment, member)
    await deployment.work()
    assert (await status(deployment, asked))["status"] == "succeeded"
    assert (fragile.outside, len(fragile.erased)) == (set(), 1)
    assert await deployment.value("SELECT count(*) FROM deletion_receipts") == 1
    assert len(await deployment.e_mails()) == 1
    async with deployment.container.units() as uow:
        receipt = await uow.receipts.by_subject(f"erasure:{asked['id']}")
    assert receipt is not None
    assert digest_of(receipt) == receipt.digest


async def test_what_a_late_request_writes_goes_with_the_second_look(deployment: Deployment) -> None:
    member = await deployment.member()
    asked = await erase(deployment, member)
    await deployment.work()
    await seen(deployment, member, AuditAction.FILE_UPLOADED)
    assert await deployment.value("SELECT count(*) FROM personal_keys") == 1
    await deployment.let_pass(minutes=10)
    await deployment.work()
    assert await deployment.value("SELECT count(*) FROM personal_keys") == 0
    assert (await status(deployment, asked))["verifiedAt"] is None
    await deployment.let_pass(minutes=10)
    await deployment.work()
    assert (await status(deployment, asked))["verifiedAt"] is not None


async def test_an_erasure_that_was_given_up_fails_and_goes_on_when_it_is_retried(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = await deployment.member()
    fragile = Fragile({1})
    deployment.container.erasing.contexts.insert(0, fragile)
    with monkeypatch.context() as impatient:
        impatient.setattr(RetryPolicy, "next_delay", lambda *_: None)
        asked = await erase(deployment, member)
        await deployment.work()
    assert (await status(deployment, asked))["status"] == "failed"
    dead = await deployment.value("SELECT id FROM messages WHERE state = 'dead'")
    await deployment.container.jobs.retry(Caller(CallerKind.OPERATOR), dead)
    await deployment.work()
    assert (await status(deployment, asked))["status"] == "succeeded"


async def test_an_erasure_whose_message_is_lost_is_named_and_goes_on(deployment: Deployment) -> None:
    asked = await erase(deployment, await deployment.member())
    await deployment.execute("DELETE FROM messages")
    await deployment.let_pass(minutes=11)
    [invariant] = [one for one in deployment.container.invariants if one.name == "every-erasure-goes-on"]
    [violation] = await invariant.violations()
    assert await invariant.mend(violation)
    assert await invariant.violations() == []
    await deployment.work()
    assert (await status(deployment, asked))["status"] == "succeeded"


async def test_while_something_outside_is_forgotten_no_transaction_is_open(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage may take minutes, and the database ends a transaction that does nothing for half of one."""
    open_ones: list[int] = []
    outside = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"

    async def slowly(_: Fragile, user_id: UUID) -> None:
        open_ones.append(await deployment.value(outside))

    monkeypatch.setattr(Fragile, "forget_outside", slowly)
    deployment.container.erasing.contexts.insert(0, Fragile())
    asked = await erase(deployment, await deployment.member())
    await deployment.work()
    assert (await status(deployment, asked))["status"] == "succeeded"
    assert open_ones == [0]


async def test_two_messages_about_one_erasure_forget_once_and_keep_the_first_receipt(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mended by two operators at once, or mended and retried."""
    both_there = asyncio.Barrier(2)

    async def together(_: Fragile, user_id: UUID) -> None:
        await both_there.wait()

    monkeypatch.setattr(Fragile, "forget_outside", together)
    deployment.container.erasing.contexts.insert(0, Fragile())
    member = await deployment.member()
    await seen(deployment, member)
    asked = await erase(deployment, member)
    async with deployment.container.units() as uow:
        uow.send(NewMessage(ERASE, {"erasure_id": asked["id"]}, subject=f"user:{member.id}"))
    await deployment.work()
    done = await status(deployment, asked)
    assert (done["status"], done["receipt"]["rows"]["personal_keys"]) == ("succeeded", 1)
    async with deployment.container.units() as uow:
        told = [event.action for event in await uow.audit.about(member.id, limit=10)]
    assert told.count(AuditAction.USER_ERASED) == 1


async def test_an_erasure_whose_second_look_is_lost_is_named_and_looked_at_again(deployment: Deployment) -> None:
    asked = await erase(deployment, await deployment.member())
    await deployment.work()
    [invariant] = [one for one in deployment.container.invariants if one.name == "every-erasure-goes-on"]
    await deployment.execute("DELETE FROM messages")
    await deployment.let_pass(minutes=31)
    [violation] = await invariant.violations()
    assert await invariant.mend(violation)
    await deployment.work()
    assert (await status(deployment, asked))["verifiedAt"] is not None
    assert await invariant.violations() == []


# What is kept of it


async def test_the_record_of_an_erasure_and_its_receipt_go_when_their_time_is_over(deployment: Deployment) -> None:
    member = await deployment.member()
    await erase(deployment, member)
    await deployment.work()
    await deployment.container.schedule_recurring_work()
    await deployment.let_pass(days=3 * 365 - 3)
    await deployment.work()
    assert await deployment.value("SELECT count(*) FROM erasures") == 1
    await deployment.let_pass(days=6)
    await deployment.execute("UPDATE deletion_receipts SET deleted_at = deleted_at - interval '1100 days'")
    await deployment.work()
    assert await deployment.value("SELECT count(*) FROM erasures") == 0
    assert await deployment.value("SELECT count(*) FROM deletion_receipts") == 0


@given(steps=st.lists(st.sampled_from(ErasureStatus), max_size=6))
def test_an_erasure_that_is_done_stays_done(steps: Sequence[ErasureStatus]) -> None:
    now = datetime.fromisoformat("2026-01-05T12:00:00+00:00")
    erasure, done = Erasure(new_id(), new_id(), ErasureStatus.QUEUED, now, now), False
    for step in steps:
        allowed = step in TRANSITIONS[erasure.status]
        with suppress(WrongState):
            erasure = erasure.to(step, now)
            assert allowed
        done = done or erasure.status is ErasureStatus.SUCCEEDED
    assert done == (erasure.status is ErasureStatus.SUCCEEDED)
