"""Making one of a job's pictures: bought at most once, resumed wherever a worker died (seed 003, 4.3)."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid5

from madang.core.generation.picture_notices import PictureNotices
from madang.core.generation.prompts import load
from madang.core.kernel.actions import ActionState, perform, resolve
from madang.core.kernel.clock import Clock
from madang.core.kernel.messages import Delivery, Failure, Handler, Lane, Message, NewMessage, RetryPolicy, Topic
from madang.core.kernel.providers import Providers
from madang.core.portraits.compensation import Compensation
from madang.core.portraits.model import (
    FailureReason,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    StoredFile,
    subject_of,
)
from madang.core.portraits.photos import stored_file
from madang.core.portraits.pictures import EncodedPicture, PhotoLab, Renditions
from madang.core.portraits.purchases import PREDICTION_FAILED, Purchases, may_be_paid, purchase, stop
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.results import FILE_ENDINGS
from madang.core.portraits.topics import MAKE_PICTURE, WRITE_REPORT
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable
from madang.ports.image_model import ImageModel, PictureRequest, Prediction, PredictionStatus
from madang.ports.storage import PutObject
from madang.ports.text_model import Picture

logger = logging.getLogger(__name__)

RETRY: Final = RetryPolicy((5, 10, 20))
"""Seed 003, 4.3: a picture that fails is tried three times more."""
TIME_LIMIT: Final = 360.0
PATIENCE: Final = 180.0
"""Seconds that a prediction may take before it is cancelled and another is bought. With `GRACE` for its end, and with buying
and storing, they fit into `TIME_LIMIT`."""
GRACE: Final = 20.0
_POLL: Final = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
"""Seconds between looks at a prediction; the last one repeats."""


@dataclass(frozen=True, slots=True)
class _Made:
    full: StoredFile
    webp: StoredFile
    thumbnail: StoredFile

    @property
    def keys(self) -> Sequence[str]:
        return [self.full.key, self.webp.key, self.thumbnail.key]


class PictureMaking:
    def __init__(
        self,
        providers: Providers,
        photo_lab: PhotoLab,
        compensation: Compensation,
        notices: PictureNotices,
        clock: Clock,
    ) -> None:
        self._providers = providers
        self._notices = notices
        self._photo_lab = photo_lab
        self._compensation = compensation
        self._clock = clock

    def handler(self) -> Handler[PortraitsUnitOfWork]:
        topic = Topic(MAKE_PICTURE, Lane.LONG, RETRY, time_limit=TIME_LIMIT)
        return Handler(topic, run=self.run, give_up=self.give_up)

    async def run(self, delivery: Delivery[PortraitsUnitOfWork]) -> None:
        portrait, picture = await self._load(delivery)
        if portrait is None or picture is None or portrait.photo is None:
            await self._leave_no_doubt(delivery)
            return
        stored = await self._providers.storage().get(portrait.photo.file.key)
        photo = Picture(await stored.read(), portrait.photo.file.content_type)
        provider, result = await self._buy(delivery, portrait, picture, photo)
        renditions = await self._photo_lab.renditions(result.data)
        made = await self._store(portrait, picture, renditions)
        if not await self._keep(delivery, replace(picture, provider=provider), made):
            await self._providers.storage().delete_many(made.keys)

    async def give_up(self, uow: PortraitsUnitOfWork, message: Message, failure: Failure) -> None:
        """Ends the job, unless another message has made the picture meanwhile."""
        portrait_id, index = _ids(message)
        portrait = await uow.portraits.get(portrait_id, lock=True)
        if portrait is None or portrait.status is not PortraitStatus.PROCESSING:
            return
        for picture in await uow.portraits.pictures(portrait_id):
            if picture.index == index and picture.status is PictureStatus.WAITING:
                await uow.portraits.update_picture(replace(picture, status=PictureStatus.FAILED))
                await self._compensation.fail(uow, portrait, FailureReason.PICTURES)

    async def _load(self, delivery: Delivery[PortraitsUnitOfWork]) -> tuple[Portrait | None, PortraitPicture | None]:
        """Nothing for a job that is over and for a picture that is made: an earlier try did it all."""
        portrait_id, index = _ids(delivery.message)
        async with delivery.step() as uow:
            portrait = await uow.portraits.get(portrait_id)
            if portrait is None or not self._goes_on(portrait):
                return None, None
            waiting = [
                picture
                for picture in await uow.portraits.pictures(portrait_id)
                if picture.index == index and picture.status is not PictureStatus.MADE
            ]
        return portrait, next(iter(waiting), None)

    async def _leave_no_doubt(self, delivery: Delivery[PortraitsUnitOfWork]) -> None:
        """The job ended while a worker died in the middle of buying: say what came of it, stop it, and buy nothing."""
        portrait_id, index = _ids(delivery.message)
        purchases = Purchases.of(portrait_id, index)
        for model in self._providers.image_models():
            async with delivery.step() as uow:
                key, _ = await purchases.current(uow, model.name)
            request = PictureRequest(prompt="", idempotency_key=key, seed=0)
            await resolve(delivery, purchase(model, request, subject_of(portrait_id)), self._clock)
            await stop(delivery, purchases, model)

    def _goes_on(self, portrait: Portrait) -> bool:
        return portrait.status is PortraitStatus.PROCESSING and self._clock.now() < portrait.expires_at

    async def _buy(
        self, delivery: Delivery[PortraitsUnitOfWork], portrait: Portrait, picture: PortraitPicture, photo: Picture
    ) -> tuple[str, Picture]:
        """The finished picture and who made it. The next provider is asked only when the one before surely did not start: that
        is what its action says, for the same errors come from our own database, too."""
        purchases = Purchases.of(portrait.id, picture.index)
        refused: list[Unavailable | RateLimited | Misconfigured] = []
        for model in await self._in_order(delivery, purchases):
            try:
                prediction_id, key = await self._start(delivery, portrait, picture, photo, model, purchases)
            except (Unavailable, RateLimited, Misconfigured) as error:
                if await may_be_paid(delivery, purchases, model):
                    raise
                logger.warning("image model %s did not start, trying the next: %s", model.name, error)
                refused.append(error)
                continue
            return model.name, await self._wait_for(delivery, model, prediction_id, key)
        raise _worth_another_try(refused) or Misconfigured("no image model is in the route", operation="start")

    async def _in_order(self, delivery: Delivery[PortraitsUnitOfWork], purchases: Purchases) -> Sequence[ImageModel]:
        """By the route, except that a provider which may have been paid already comes first."""
        models = [model for model in self._providers.image_models() if model.capabilities.edits_pictures]
        paid = [model for model in models if await may_be_paid(delivery, purchases, model)]
        return [*paid, *(model for model in models if model not in paid)]

    async def _start(
        self,
        delivery: Delivery[PortraitsUnitOfWork],
        portrait: Portrait,
        picture: PortraitPicture,
        photo: Picture,
        model: ImageModel,
        purchases: Purchases,
    ) -> tuple[str, str]:
        async with delivery.step() as uow:
            key, _ = await purchases.current(uow, model.name)
        announced = self._notices.address(model, key)
        request = PictureRequest(load("portrait_picture").render(), key, picture.seed, photo, webhook_url=announced)
        result = await perform(delivery, purchase(model, request, portrait.subject), self._clock)
        return str(result["prediction_id"]), key

    async def _wait_for(
        self, delivery: Delivery[PortraitsUnitOfWork], model: ImageModel, prediction_id: str, key: str
    ) -> Picture:
        """The picture of a prediction that was bought. One that failed, or whose files are gone, is written off: the next try
        buys another. Raises `Unavailable` then, or `Rejected` when the same input can never succeed."""
        try:
            prediction, in_time = await self._end_of(model, prediction_id)
            if prediction.status is PredictionStatus.SUCCEEDED and prediction.pictures:
                return await model.download(prediction.pictures[0])
            why = prediction.error or f"the prediction {prediction.status.value}"
            retryable = prediction.retryable or not in_time
        except Rejected as error:
            if error.reason != "not_found":
                raise
            why, retryable = "the finished picture is gone", True
        await self._write_off(delivery, key, why)
        if retryable:
            raise Unavailable(why, provider=model.name, operation="fetch")
        raise Rejected(why, reason="prediction_failed", provider=model.name, operation="fetch")

    async def _end_of(self, model: ImageModel, prediction_id: str) -> tuple[Prediction, bool]:
        """How it ended, and whether by itself. One that takes too long is cancelled, so that it costs nothing more; another may
        be bought when that is sure. Raises `Unavailable` for one that does not end: the next try goes on with it."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._until_it_ends(model, prediction_id), True
        except TimeoutError:
            logger.warning("image model %s takes too long, its prediction is cancelled", model.name)
        if model.capabilities.cancels:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await model.cancel(prediction_id)
                    return await self._until_it_ends(model, prediction_id), False
        raise Unavailable("the prediction goes on for too long", provider=model.name, operation="fetch")

    async def _until_it_ends(self, model: ImageModel, prediction_id: str) -> Prediction:
        """Looks again and again, also through a provider's bad moments: it was paid for. An announcement shortens the pause."""
        looks = 0
        while True:
            try:
                prediction = await model.fetch(prediction_id)
                if prediction.status not in (PredictionStatus.PENDING, PredictionStatus.RUNNING):
                    return prediction
                pause = _POLL[min(looks, len(_POLL) - 1)]
            except (Unavailable, OutcomeUnknown) as error:
                logger.warning("image model %s cannot be asked just now: %s", model.name, error)
                pause = _POLL[-1]
            except RateLimited as error:
                pause = max(_POLL[-1], error.retry_after or 0.0)
            looks += 1
            await self._notices.wait(model.name, prediction_id, pause)

    async def _write_off(self, delivery: Delivery[PortraitsUnitOfWork], key: str, why: str) -> None:
        async with delivery.step() as uow:
            action = await uow.actions.get(key)
            if action is not None:
                failure = Failure(PREDICTION_FAILED, why, action.provider, action.kind)
                written_off = replace(action, state=ActionState.FAILED, failure=failure, updated_at=self._clock.now())
                await uow.actions.save(written_off)

    async def _store(self, portrait: Portrait, picture: PortraitPicture, made: Renditions) -> _Made:
        """Under keys that follow from the job, so that a resumed worker replaces what a dead one left."""
        return _Made(
            await self._put(portrait, f"picture:{picture.index}", made.full),
            await self._put(portrait, f"webp:{picture.index}", made.webp),
            await self._put(portrait, f"thumbnail:{picture.index}", made.thumbnail),
        )

    async def _put(self, portrait: Portrait, name: str, encoded: EncodedPicture) -> StoredFile:
        ending = FILE_ENDINGS.get(encoded.content_type, "")
        key = f"{portrait.storage_prefix}{uuid5(portrait.id, name)}{ending}"
        await self._providers.storage().put(PutObject(key, encoded.data, encoded.content_type))
        return stored_file(key, encoded)

    async def _keep(self, delivery: Delivery[PortraitsUnitOfWork], picture: PortraitPicture, made: _Made) -> bool:
        """Record the picture, and the report's turn with the last one; False when the job ended meanwhile and has no use for
        the files."""
        async with delivery.finish() as uow:
            portrait = await uow.portraits.get(picture.portrait_id, lock=True)
            pictures = {each.index: each for each in await uow.portraits.pictures(picture.portrait_id)}
            if portrait is None or picture.index not in pictures or not self._goes_on(portrait):
                return picture.index in pictures and pictures[picture.index].status is PictureStatus.MADE
            done = replace(picture, status=PictureStatus.MADE, full=made.full, webp=made.webp, thumbnail=made.thumbnail)
            await uow.portraits.update_picture(done)
            if all(each.status is PictureStatus.MADE for each in (pictures | {done.index: done}).values()):
                uow.send(report_message(portrait))
        return True


def report_message(portrait: Portrait) -> NewMessage:
    return NewMessage(
        WRITE_REPORT,
        {"portrait_id": str(portrait.id)},
        key=f"portrait:{portrait.id}:report",
        subject=portrait.subject,
    )


def _worth_another_try(
    refused: Sequence[Unavailable | RateLimited | Misconfigured],
) -> Unavailable | RateLimited | Misconfigured | None:
    """Of several refusals the one that time may heal: wrong keys of one provider must not end what another may yet do."""
    return next((error for error in reversed(refused) if not isinstance(error, Misconfigured)), next(iter(refused), None))


def _ids(message: Message) -> tuple[UUID, int]:
    return UUID(message.payload["portrait_id"]), int(message.payload["index"])
