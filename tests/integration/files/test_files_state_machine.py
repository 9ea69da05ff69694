"""Whatever a client, dying processes and the clock do in whatever order: what is served was checked, and nothing else stays."""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from deployment import deployed
from integration.files.cabinet import PROGRAM, Cabinet, form_of, picture
from integration.files.held_storage import Held
from madang.core.files.cleaning import SWEEP_UPLOADS
from madang.core.files.model import TRANSITIONS, FileStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import DomainError
from madang.core.kernel.messages import NewMessage
from madang.ports.errors import PortError

GOOD, ALSO_GOOD = picture(compress_level=0), picture(compress_level=0, colour=(30, 160, 40))
BAD = PROGRAM + bytes(len(GOOD) - len(PROGRAM))
CONTENTS = st.sampled_from([GOOD, ALSO_GOOD, BAD, GOOD[:-1], GOOD[: len(GOOD) // 2]])


class FilesMachine(RuleBasedStateMachine):
    runner: asyncio.Runner
    make_settings: Callable[..., Any]
    uploads = Bundle("uploads")

    @initialize()
    def begin(self) -> None:
        self.run = self.runner.run
        self.opened = AsyncExitStack()
        self.run(self._open())
        self.seen: dict[str, FileStatus] = {}

    async def _open(self) -> None:
        self.deployment = await self.opened.enter_async_context(deployed(self.make_settings()))
        self.cabinet = Cabinet(self.deployment, await self.deployment.member())
        self.held = Held(self.deployment)

    def teardown(self) -> None:
        if hasattr(self, "opened"):
            try:
                self.run(self._settle())
            finally:
                self.run(self.opened.aclose())

    @rule(target=uploads)
    def announce(self) -> Any:
        return self.run(self.cabinet.announce(GOOD)).json()["data"]

    @rule(upload=uploads, content=CONTENTS)
    def send(self, upload: Any, content: bytes) -> None:
        self.run(self.cabinet.send(upload, content))

    @rule(upload=uploads, times=st.integers(1, 3), sent=st.booleans())
    def complete(self, upload: Any, times: int, sent: bool) -> None:
        """Perhaps while something else is sent."""
        calls = [self.cabinet.complete(upload["file"]["id"]) for _ in range(times)]
        if sent:
            calls.append(self.cabinet.send(upload, ALSO_GOOD))
        statuses = [answer.status_code for answer in self.run(_together(calls))][:times]
        assert set(statuses) <= {200, 404, 409, 410, 422, 503}

    @rule(upload=uploads, stored=st.booleans())
    def die_while_completing(self, upload: Any, stored: bool) -> None:
        storage = self.held.object_storage
        storage.before_put, storage.after_put = (None, _die) if stored else (_die, None)
        caller = Caller(CallerKind.USER, self.cabinet.member.id, "client")
        with suppress(asyncio.CancelledError, DomainError, PortError):
            self.run(_ended(self.held.files.complete(caller, UUID(upload["file"]["id"]))))

    @rule(upload=uploads, at_once=st.booleans())
    def delete(self, upload: Any, at_once: bool) -> None:
        file_id = upload["file"]["id"]
        calls = [self.cabinet.call("DELETE", f"/files/{file_id}")]
        if at_once:
            calls.append(self.cabinet.complete(file_id))
        assert self.run(_together(calls))[0].status_code == 200

    @rule(content=CONTENTS)
    def post(self, content: bytes) -> None:
        answer = self.run(self.cabinet.post(form_of(content, purpose="picture")))
        assert answer.status_code == (201 if content in (GOOD, ALSO_GOOD) else 422)

    @rule(minutes=st.sampled_from([5, 20, 90]))
    def time_passes(self, minutes: int) -> None:
        self.run(self.deployment.let_pass(minutes=minutes))

    @rule()
    def work(self) -> None:
        self.run(self._swept())

    @invariant()
    def what_is_served_was_checked(self) -> None:
        if hasattr(self, "seen"):
            self.run(self._compare())

    async def _compare(self) -> None:
        rows = await self.deployment.rows("SELECT id, status, sha256, object_key FROM files")
        for row in rows:
            before, now = self.seen.get(str(row["id"]), FileStatus.PENDING), FileStatus(row["status"])
            assert now is before or now in TRANSITIONS[before]
            self.seen[str(row["id"])] = now
            if now is FileStatus.AVAILABLE:
                stored = await self.deployment.container.providers.storage().get(row["object_key"])
                content = await stored.read()
                assert content in (GOOD, ALSO_GOOD)
                assert hashlib.sha256(content).hexdigest() == row["sha256"]

    async def _swept(self) -> None:
        async with self.deployment.container.units() as uow:
            uow.send(NewMessage(SWEEP_UPLOADS))
        await self.deployment.work()

    async def _settle(self) -> None:
        """Hours later, with no more trouble: everything has come to its end."""
        for _ in range(2):
            await self.deployment.let_pass(hours=2)
            await self._swept()
        rows = await self.deployment.rows("SELECT status, object_key FROM files WHERE owner_id = $1", self.cabinet.member.id)
        assert "pending" not in {row["status"] for row in rows}
        listed = await self.deployment.container.providers.storage().list(f"files/{self.cabinet.member.id}/")
        assert {found.key for found in listed.objects} == {row["object_key"] for row in rows} - {None}
        for each in self.deployment.container.invariants:
            assert await each.violations() == [], each.name


async def _together(calls: Any) -> Any:
    return await asyncio.gather(*calls)


async def _ended(call: Any) -> None:
    """In a task of its own: its end is not ours."""
    await asyncio.gather(asyncio.ensure_future(call))


async def _die() -> None:
    raise asyncio.CancelledError


def test_whatever_happens_the_rules_of_a_file_hold(make_settings: Callable[..., Any], tmp_path: Path) -> None:
    class Machine(FilesMachine):
        runner = asyncio.Runner()

    Machine.make_settings = staticmethod(make_settings)
    Machine.TestCase.settings = settings(max_examples=6, stateful_step_count=20, deadline=None)
    Machine.TestCase("runTest").runTest()
    Machine.runner.close()
