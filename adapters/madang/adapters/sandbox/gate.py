"""What every call to a simulated provider passes: the journal, the latency, and the fault that waits for it."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

from madang.adapters.sandbox import knobs
from madang.adapters.sandbox.chance import share
from madang.adapters.sandbox.knobs import Fault
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.world import World, world_path
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable

T = TypeVar("T")

NAME: Final = "sandbox"
JOURNAL_LENGTH: Final = 50_000


@dataclass(frozen=True, slots=True)
class Passage:
    """One call on its way: `number` in the journal, the knobs at this moment, and its fault."""

    operation: str
    number: int
    knobs: SandboxSettings
    fault: Fault | None

    @property
    def latency(self) -> float:
        jitter = self.knobs.latency_jitter * share(self.knobs.seed, "latency", self.number)
        slow = self.fault.seconds(5.0) if self.fault and self.fault.kind == "slow" else 0.0
        return self.knobs.latency + jitter + slow

    @property
    def is_garbled(self) -> bool:
        return self.fault is not None and self.fault.kind == "garbage"

    @property
    def request_id(self) -> str:
        return f"sandbox-{self.number}"


class Gate:
    """The way from our process to the simulated providers. `effect` calls change the world, `query` calls only look."""

    def __init__(self, settings: SandboxSettings, context: ProviderContext) -> None:
        self.settings = settings
        self.world = World(world_path(context.data_dir))

    async def effect(
        self, operation: str, key: str, act: Callable[[sqlite3.Connection, SandboxSettings], T], timeout: float
    ) -> T:
        """Do it at the provider. The act happens half-way: a caller who dies or gives up after that has still done it."""
        passage = await self.enter(operation, key)
        patience = await self.travel(passage, passage.latency / 2, timeout)
        result = await self.world.run(lambda connection: act(connection, passage.knobs))
        if passage.latency / 2 > patience:
            await self.travel(passage, patience, patience)
            self._lose(passage, "no answer in time")
        await self.travel(passage, passage.latency / 2, patience)
        if passage.fault and passage.fault.kind == "answer_lost":
            self._lose(passage, "the connection broke before the answer")
        if passage.is_garbled:
            self._lose(passage, "the answer cannot be read")
        return result

    async def query(
        self, operation: str, key: str, look: Callable[[sqlite3.Connection, SandboxSettings], T], timeout: float = 30.0
    ) -> T:
        """Look something up; it changes nothing, so a lost answer is only `Unavailable`."""
        passage = await self.enter(operation, key)
        await self.travel(passage, passage.latency, timeout)
        if passage.fault and passage.fault.kind in ("answer_lost", "garbage"):
            raise Unavailable("the answer cannot be read", provider=NAME, operation=operation, request_id=passage.request_id)
        return await self.world.run(lambda connection: look(connection, passage.knobs))

    async def enter(self, operation: str, key: str) -> Passage:
        """Write the call down and meet the faults that stop it before anything is done."""
        passage = await self.world.run(lambda connection: self._admit(connection, operation, key))
        self._refuse(passage)
        return passage

    async def travel(self, passage: Passage, seconds: float, patience: float) -> float:
        """Let time pass; returns what is left of the patience. Raises `Unavailable` when it ran out too early."""
        if seconds > patience:
            await asyncio.sleep(patience)
            raise Unavailable(
                "no connection in time", provider=NAME, operation=passage.operation, request_id=passage.request_id
            )
        if seconds > 0:
            await asyncio.sleep(seconds)
        return patience - seconds

    async def close(self) -> None:
        await self.world.close()

    def _admit(self, connection: sqlite3.Connection, operation: str, key: str) -> Passage:
        now = knobs.current(connection, self.settings)
        fault = knobs.take_fault(connection, now.faults, operation) if now.faults else None
        cursor = connection.execute(
            "INSERT INTO calls (at, operation, key, fault, process) VALUES (?, ?, ?, ?, ?)",
            (time.time(), operation, key, fault.kind if fault else None, os.getpid()),
        )
        number = cursor.lastrowid or 0
        if number % 1000 == 0:
            connection.execute("DELETE FROM calls WHERE number <= ?", (number - JOURNAL_LENGTH,))
        return Passage(operation, number, now, fault)

    def _refuse(self, passage: Passage) -> None:
        fault, operation, request_id = passage.fault, passage.operation, passage.request_id
        if fault is None:
            return
        if fault.kind == "unavailable":
            raise Unavailable("the sandbox was told to be down", provider=NAME, operation=operation, request_id=request_id)
        if fault.kind == "rate_limited":
            raise RateLimited(
                "the sandbox was told to be busy",
                retry_after=fault.seconds(1.0),
                provider=NAME,
                operation=operation,
                request_id=request_id,
            )
        if fault.kind == "rejected":
            reason = fault.value or "invalid_request"
            raise Rejected(
                "the sandbox was told to refuse", reason=reason, provider=NAME, operation=operation, request_id=request_id
            )

    def _lose(self, passage: Passage, why: str) -> NoReturn:
        raise OutcomeUnknown(why, provider=NAME, operation=passage.operation, request_id=passage.request_id)
