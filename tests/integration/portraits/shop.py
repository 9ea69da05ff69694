"""A whole shop for one test: the real container, its worker in this process, and the simulated companies behind its providers.

Nothing happens by itself. The test pays, hands over the webhooks or loses them, lets the worker work, and lets hours pass.
"""

import asyncio
import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal
from uuid import UUID

from dependency_injector import providers
from PIL import Image, ImageDraw

from madang.adapters.arq.runner import Runner, RunnerSettings
from madang.adapters.sandbox import knobs, messages, payments
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.webhooks import signed_headers
from madang.adapters.sandbox.world import World, world_path
from madang.core.kernel.ids import new_id
from madang.core.portraits.catalogue import starting_catalogue
from madang.core.portraits.model import Portrait, PortraitPicture, PortraitStatus
from madang.core.portraits.ordering import OrderPortrait
from madang.entrypoints.container import Container, open_container
from madang.entrypoints.wiring.table import Wiring
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest
from plugins_once import load_plugins_once
from retries_held import HELD, LET_GO, HoldingOutbox

PHONE = "010-1234-5678"
E164 = "+821012345678"
BUYER = "198.51.100.7"
PHOTO_SIZE = (513, 684)
WEBHOOK_SECRET = "whsec_dGVzdC1rZXktbm90LXNlY3JldA=="
SANDBOX = "sandbox"
FAST: Mapping[str, Any] = {"image_seconds": 0.0, "webhook_secret": WEBHOOK_SECRET}
_PATIENCE = 60.0
_CLOCKS = """
SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns
WHERE table_schema = current_schema() AND data_type = 'timestamp with time zone'
  AND table_name NOT IN ('deletion_receipts', 'invoices') AND column_name <> 'lease_until'
GROUP BY table_name
"""
_BUSY = "SELECT count(*) FROM messages WHERE state = 'leased' OR (state = 'waiting' AND due_at <= clock_timestamp())"
"""By the clock and not by `now()`: what is committed between this question's beginning and its snapshot is due, too."""


@dataclass(frozen=True)
class Notice:
    """A webhook on its way to us."""

    event_id: str
    kind: str
    body: str


class Stopwatch:
    """What the guards of providers measure by: the time that passes, and what a test lets pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Shop:
    def __init__(self, container: Container, stopwatch: Stopwatch | None = None) -> None:
        self.container = container
        self.stopwatch = stopwatch or Stopwatch()
        self.portraits = container.portraits
        self.world = World(world_path(container.settings.data_dir))
        self._knobs = SandboxSettings(**{**FAST, "webhook_secret": Secret(WEBHOOK_SECRET)})
        self._handed_over: set[str] = set()

    # The buyer

    async def order(self, locale: Literal["ko", "en"] = "ko", **more: Any) -> UUID:
        command = OrderPortrait(new_id(), BUYER, locale, **more)
        return (await self.portraits.order(command)).portrait.id

    async def paid(self, **more: Any) -> UUID:
        job = await self.order(**more)
        await self.pay(job)
        await self.hand_over()
        await self.work()
        return job

    async def with_phone(self, **more: Any) -> UUID:
        job = await self.paid(**more)
        await self.portraits.set_phone(job, PHONE)
        return job

    async def with_photo(self, **more: Any) -> UUID:
        """The photo is in, and nobody has begun with the pictures."""
        job = await self.with_phone(**more)
        await self.portraits.submit_photo(job, photo(), None)
        return job

    async def finished(self, **more: Any) -> UUID:
        job = await self.with_photo(**more)
        await self.work()
        return job

    async def view(self, job: UUID) -> Portrait:
        return (await self.portraits.view(job)).portrait

    async def status(self, job: UUID) -> PortraitStatus:
        return (await self.view(job)).status

    async def pictures(self, job: UUID) -> Sequence[PortraitPicture]:
        return (await self.portraits.view(job)).pictures

    async def photo_key(self, job: UUID) -> str:
        kept = (await self.view(job)).photo
        assert kept is not None
        return kept.file.key

    # The companies outside

    async def pay(self, job: UUID) -> None:
        reference = await self.reference(job)
        await self.world.run(lambda c: payments.pay(c, knobs.current(c, self._knobs), reference, "card"))

    async def reference(self, job: UUID) -> str:
        return str(await self.value("SELECT reference FROM payments WHERE subject = $1", f"portrait:{job}"))

    async def told_to(self, faults: str) -> None:
        """Faults of the simulated providers from now on: `image_model.start:unavailable@2`."""
        await self.with_knobs(faults=faults)

    async def with_knobs(self, **knob: Any) -> None:
        await self.world.run(lambda c: knobs.change(c, self._knobs, knob))

    async def notices(self) -> Sequence[Notice]:
        """The webhooks that were sent and that nobody has handed over, in their order."""
        rows = await self.world.run(lambda c: c.execute("SELECT * FROM deliveries ORDER BY rowid").fetchall())
        sent = [Notice(row["event_id"], row["kind"], row["body"]) for row in rows]
        return [notice for notice in sent if notice.event_id not in self._handed_over]

    async def hand_over(self, *chosen: Notice) -> Sequence[bool]:
        """Whether each was new; without any chosen, all that are on their way."""
        new = []
        for notice in chosen or await self.notices():
            self._handed_over.add(notice.event_id)
            now = datetime.now(UTC)
            headers = signed_headers(Secret(WEBHOOK_SECRET), notice.event_id, notice.body, now)
            request = WebhookRequest(headers, notice.body.encode(), now)
            new.append(await self.container.billing.receive_webhook("sandbox", request))
        return new

    async def calls(self) -> Counter[str]:
        """How often each operation of a simulated provider was called."""
        return Counter(row["operation"] for row in await self.remote("SELECT operation FROM calls"))

    async def bought(self) -> Sequence[Any]:
        return await self.remote("SELECT * FROM predictions ORDER BY rowid")

    async def refunds(self) -> Sequence[tuple[str, int]]:
        """What went back to buyers, at the payment company."""
        return [(row["reference"], row["amount"]) for row in await self.remote("SELECT * FROM refunds ORDER BY rowid")]

    async def texts(self) -> Sequence[messages.SentMessage]:
        """The SMS that arrived, the oldest first."""
        return list(reversed(await self.world.run(lambda c: messages.recent(c, "sms"))))

    async def remote(self, question: str, *values: Any) -> Sequence[Any]:
        return await self.world.run(lambda c: c.execute(question, values).fetchall())

    # Time, work and what is stored

    async def work(self) -> None:
        """Until nothing is due and nobody is at work."""
        async with self.worker(holds=True) as runner, asyncio.timeout(_PATIENCE):
            while await self.value(_BUSY):
                runner.wake()
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def worker(self, *, holds: bool = False, **settings: Any) -> AsyncIterator[Runner[Any]]:
        """What fails is tried again as soon as in a deployment, unless it `holds` that until its time is let pass."""
        chosen = RunnerSettings(**{"poll": 0.02, "grace": 5.0, **settings})
        outbox: Any = HoldingOutbox(self.container.outbox) if holds else self.container.outbox
        runner: Runner[Any] = Runner(outbox, self.container.handlers, "worker-in-the-test", chosen)
        await runner.start()
        try:
            yield runner
        finally:
            await runner.stop()

    async def leave_only_the_first_picture(self) -> None:
        """The other two are not due for an hour."""
        others = "topic = 'portraits.make_picture' AND payload ->> 'index' <> '0'"
        await self.execute(f"UPDATE messages SET due_at = now() + interval '1 hour' WHERE {others}")

    async def let_pass(self, **passed: float) -> None:
        """Everything that is written down, but invoices, happened that much earlier, and providers were left alone for as long:
        `let_pass(hours=24)`."""
        self.stopwatch.ahead += timedelta(**passed).total_seconds()
        for row in await self.rows(_CLOCKS):
            changes = ", ".join(f"{column} = {column} - $1::interval" for column in row["columns"])
            await self.execute(f"UPDATE {row['table_name']} SET {changes}", timedelta(**passed))
        await self.execute(LET_GO, HELD)

    async def until(self, question: str, *values: Any) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not await self.value(question, *values):
                await asyncio.sleep(0.01)

    async def objects(self, job: UUID) -> Sequence[str]:
        page = await self.container.providers.storage().list(f"portraits/{job}/")
        return [found.key for found in page.objects]

    async def rows(self, question: str, *values: Any) -> Sequence[Any]:
        return await self.container.database.fetch(question, *values)

    async def value(self, question: str, *values: Any) -> Any:
        row = await self.container.database.fetchrow(question, *values)
        return None if row is None else row[0]

    async def execute(self, statement: str, *values: Any) -> None:
        await self.container.database.execute(statement, *values)


@asynccontextmanager
async def opened(settings: Any) -> AsyncIterator[Shop]:
    """A shop on these settings, with the starting catalogue in its knowledge base."""
    load_plugins_once()
    stopwatch = Stopwatch()
    with Wiring.stopwatch.override(providers.Object(stopwatch)):
        async with open_container(settings) as container:
            async with container.units() as uow:
                for entry in starting_catalogue():
                    await uow.knowledge_base.save(entry)
            shop = Shop(container, stopwatch)
            try:
                yield shop
            finally:
                await shop.world.close()


def scene(width: int = 600, height: int = 800) -> Image.Image:
    """A face on a backdrop, darker above, so that no turn of it looks like another."""
    picture = Image.new("RGB", (width, height), (150, 160, 175))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, height // 8), fill=(30, 40, 60))
    draw.ellipse((width // 4, height // 5, width * 3 // 4, height * 7 // 10), fill=(222, 178, 150))
    draw.rectangle((0, height // 2, width // 8, height), fill=(200, 30, 30))
    return picture


def encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@cache
def photo(width: int = PHOTO_SIZE[0], height: int = PHOTO_SIZE[1]) -> bytes:
    return encoded(scene(width, height), quality=90)


def opened_picture(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture
