"""What the buyer gets: pictures by presigned address, the report, the zip; and the survey (seed 003, section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, NotFound, Problem, ValidationFailed, WrongState
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.finding import existing, no_such_portrait
from madang.core.portraits.model import (
    PRESIGNED_FOR,
    CareEntry,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    StoredFile,
    Survey,
)
from madang.core.portraits.repository import PortraitReader, PortraitsUnitOfWork, PortraitView
from madang.ports.storage import PresignedRequest, PresignGet, StoredObject

MAX_COMMENT: Final = 1000
FILE_ENDINGS: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


@dataclass(frozen=True, slots=True)
class PictureLinks:
    """One result picture: addresses that work for an hour, and not beyond the job's end."""

    index: int
    seed: int
    full: PresignedRequest
    webp: PresignedRequest
    thumbnail: PresignedRequest
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PortraitResult:
    """`care` holds the knowledge base's entries for the report's codes that still exist."""

    portrait: Portrait
    report: Report
    pictures: Sequence[PictureLinks]
    care: Mapping[str, CareEntry]
    surveyed: bool


class Results:
    def __init__(
        self,
        *,
        units: UnitOfWorkFactory[PortraitsUnitOfWork],
        reader: PortraitReader,
        providers: Providers,
        clock: Clock,
    ) -> None:
        self._units = units
        self._reader = reader
        self._providers = providers
        self._clock = clock

    async def view(self, portrait_id: UUID) -> PortraitView:
        """The job as its buyer sees it, in one statement. Raises `NotFound`."""
        view = await self._reader.view(portrait_id)
        if view is None:
            raise no_such_portrait()
        return view

    async def result(self, portrait_id: UUID) -> PortraitResult:
        """The pictures by presigned address, the report, and the care entries that it names. Raises `WrongState`,
        `Gone`, `NotFound`."""
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id)
            report = self._require_report(portrait)
            pictures = await uow.portraits.pictures(portrait_id)
            codes = {code for improvement in report.improvements for code in improvement.recommendations}
            care = {entry.code: entry for entry in await uow.knowledge_base.all() if entry.code in codes}
            surveyed = await uow.portraits.survey(portrait_id) is not None
        links = [await self._links(portrait, picture) for picture in pictures if picture.status is PictureStatus.MADE]
        return PortraitResult(portrait, report, links, care, surveyed)

    async def download(self, portrait_id: UUID) -> Sequence[tuple[str, StoredFile]]:
        """The pictures for the zip, by the name that they get in it. Raises `WrongState`, `Gone`, `NotFound`."""
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id)
            self._require_report(portrait)
            pictures = await uow.portraits.pictures(portrait_id)
        return [
            (f"portrait-{picture.index + 1}{FILE_ENDINGS.get(picture.full.content_type, '')}", picture.full)
            for picture in pictures
            if picture.full is not None
        ]

    async def open_file(self, key: str) -> StoredObject:
        """A file of a job that the caller has been given by `download`."""
        return await self._providers.storage().get(key)

    async def submit_survey(self, portrait_id: UUID, score: int, comment: str | None) -> Survey:
        """How content the buyer is, once. Raises `ValidationFailed`, `Conflict` (`SURVEY_ALREADY_SUBMITTED`),
        `WrongState`, `Gone`, `NotFound`."""
        _check_survey(score, comment)
        now = self._clock.now()
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id, lock=True)
            portrait.require_open(now)
            portrait.require(PortraitStatus.COMPLETED)
            survey = Survey(portrait_id, score, comment or None, now)
            if not await uow.portraits.add_survey(survey):
                raise Conflict("this portrait's survey was already answered", code="SURVEY_ALREADY_SUBMITTED")
        return survey

    def _require_report(self, portrait: Portrait) -> Report:
        portrait.require_open(self._clock.now())
        portrait.require(PortraitStatus.COMPLETED)
        if portrait.report is None:
            raise WrongState("the report is not there yet", state=portrait.status.value, expected="completed")
        return portrait.report

    async def _links(self, portrait: Portrait, picture: PortraitPicture) -> PictureLinks:
        full, webp, thumbnail = picture.full, picture.webp, picture.thumbnail
        if full is None or webp is None or thumbnail is None:
            raise NotFound("a picture of this portrait has no files")
        return PictureLinks(
            picture.index,
            picture.seed,
            await self._presign(portrait, full),
            await self._presign(portrait, webp),
            await self._presign(portrait, thumbnail),
            full.width,
            full.height,
        )

    async def _presign(self, portrait: Portrait, file: StoredFile) -> PresignedRequest:
        left = portrait.expires_at - self._clock.now()
        return await self._providers.storage().presign_get(
            PresignGet(file.key, min(PRESIGNED_FOR, left), content_type=file.content_type)
        )


def _check_survey(score: int, comment: str | None) -> None:
    problems = []
    if not 1 <= score <= 5:
        problems.append(Problem("score", "must be from 1 to 5"))
    if comment is not None and len(comment) > MAX_COMMENT:
        problems.append(Problem("comment", f"must have at most {MAX_COMMENT} characters"))
    if problems:
        raise ValidationFailed(*problems)
