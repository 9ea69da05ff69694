"""Writing a job's report, and ending the job (seed 003, 4.4 and 4.5)."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from madang.core.generation.prompts import fenced, load
from madang.core.generation.schemas import SchemaValidator
from madang.core.generation.structured_output import ask_for
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Handler, Lane, Message, RetryPolicy, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.notifications.service import NotificationService
from madang.core.portraits import sms_texts
from madang.core.portraits.catalogue import catalogue_lines
from madang.core.portraits.compensation import Compensation
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.model import (
    CareEntry,
    FailureReason,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    StoredFile,
)
from madang.core.portraits.phones import PHONE
from madang.core.portraits.report_document import SCHEMA, ReportReader
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import WRITE_REPORT
from madang.ports.errors import Misconfigured
from madang.ports.text_model import Picture, PromptMessage, Role, TextModel, TextRequest

logger = logging.getLogger(__name__)

RETRY: Final = RetryPolicy((5, 15, 60))
TIME_LIMIT: Final = 600.0
_LANGUAGES: Final = {"ko": "Korean", "en": "English"}


class ReportWriting:
    def __init__(
        self,
        providers: Providers,
        notifications: NotificationService,
        compensation: Compensation,
        cipher: PersonalDataCipher,
        clock: Clock,
        *,
        schemas: SchemaValidator,
        base_url: str,
    ) -> None:
        self._providers = providers
        self._schemas = schemas
        self._notifications = notifications
        self._compensation = compensation
        self._cipher = cipher
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    def handler(self) -> Handler[PortraitsUnitOfWork]:
        topic = Topic(WRITE_REPORT, Lane.LONG, RETRY, time_limit=TIME_LIMIT)
        return Handler(topic, run=self.run, give_up=self.give_up)

    async def run(self, delivery: Delivery[PortraitsUnitOfWork]) -> None:
        portrait_id = UUID(delivery.message.payload["portrait_id"])
        async with delivery.step() as uow:
            portrait = await uow.portraits.get(portrait_id)
            if portrait is None or portrait.photo is None or not self._goes_on(portrait):
                return
            pictures = await uow.portraits.pictures(portrait_id)
            catalogue = await uow.knowledge_base.all()
        if any(picture.status is not PictureStatus.MADE for picture in pictures):
            return
        request = _request(portrait, await self._pictures(portrait.photo.file, pictures), catalogue)
        written = await ask_for(self._models(), request, ReportReader({entry.code for entry in catalogue}), self._schemas)
        if written.value.dropped_codes:
            logger.warning("%s invented %d care codes, dropped", written.provider, len(written.value.dropped_codes))
        async with delivery.finish() as uow:
            await self._complete(uow, portrait_id, written.value)

    async def give_up(self, uow: PortraitsUnitOfWork, message: Message, failure: Failure) -> None:
        portrait = await uow.portraits.get(UUID(message.payload["portrait_id"]), lock=True)
        if portrait is not None and portrait.status is PortraitStatus.PROCESSING:
            await self._compensation.fail(uow, portrait, FailureReason.REPORT)

    def _goes_on(self, portrait: Portrait) -> bool:
        return portrait.status is PortraitStatus.PROCESSING and self._clock.now() < portrait.expires_at

    def _models(self) -> Sequence[TextModel]:
        able = [
            model for model in self._providers.text_models() if model.capabilities.vision and model.capabilities.json_schema
        ]
        if not able:
            raise Misconfigured("no text model of the route takes pictures and a schema", operation="generate")
        return able

    async def _pictures(self, photo: StoredFile, pictures: Sequence[PortraitPicture]) -> Sequence[Picture]:
        """The photo first, then the results; these as WebP, which is a fraction of the bytes."""
        files = [photo, *(picture.webp for picture in pictures if picture.webp is not None)]
        return await asyncio.gather(*(self._read(file) for file in files))

    async def _read(self, file: StoredFile) -> Picture:
        stored = await self._providers.storage().get(file.key)
        return Picture(await stored.read(), file.content_type)

    async def _complete(self, uow: PortraitsUnitOfWork, portrait_id: UUID, report: Report) -> None:
        """The report, the state and the SMS in one commit; nothing when the job ended meanwhile."""
        portrait = await uow.portraits.get(portrait_id, lock=True)
        if portrait is None or portrait.phone is None or not self._goes_on(portrait):
            return
        now = self._clock.now()
        completed = replace(portrait.to(PortraitStatus.COMPLETED, now), report=report, completed_at=now)
        await uow.portraits.update(completed)
        uow.announce(portrait_changed(completed))
        await self._notifications.queue_sms(
            uow,
            key=f"portrait:{portrait.id}:ready",
            to=self._cipher.decrypt(portrait.phone, purpose=PHONE),
            template="portraits.ready",
            text=sms_texts.ready(portrait.locale, f"{self._base_url}/result/{portrait.id}"),
            subject=portrait.subject,
        )


def _request(portrait: Portrait, pictures: Sequence[Picture], catalogue: Sequence[CareEntry]) -> TextRequest:
    prompt = load("portrait_report").render_parts(
        language=_LANGUAGES[portrait.locale],
        picture_prompt=fenced(load("portrait_picture").render()),
        catalogue=fenced(catalogue_lines(catalogue, portrait.locale)),
    )
    return TextRequest(
        messages=(PromptMessage(Role.SYSTEM, prompt["system"]), PromptMessage(Role.USER, prompt["user"], pictures)),
        idempotency_key=f"portrait:{portrait.id}:report",
        schema=SCHEMA,
        schema_name="portrait_report",
    )
