"""The buyer's photo: checked, cropped and stored, and the beginning of the three pictures (seed 003, section 4)."""

import hashlib
from dataclasses import replace
from uuid import UUID

from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Unprocessable
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.finding import existing
from madang.core.portraits.model import (
    PICTURE_COUNT,
    Photo,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    StoredFile,
)
from madang.core.portraits.pictures import Crop, EncodedPicture, PhotoLab
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import MAKE_PICTURE
from madang.ports.storage import PutObject
from madang.ports.text_model import Picture


class Photos:
    def __init__(
        self,
        *,
        units: UnitOfWorkFactory[PortraitsUnitOfWork],
        providers: Providers,
        photo_lab: PhotoLab,
        clock: Clock,
    ) -> None:
        self._units = units
        self._providers = providers
        self._photo_lab = photo_lab
        self._clock = clock

    async def submit_photo(self, portrait_id: UUID, upload: bytes, crop: Crop | None) -> Portrait:
        """Check, crop and store the photo, and start the three pictures. The same upload again answers the job as it is.

        Raises what `PhotoLab.prepare_photo` raises, `Unprocessable` (`FACE_NOT_FOUND`, `SEVERAL_FACES`), `WrongState`,
        `Gone`, `NotFound`.
        """
        source = hashlib.sha256(upload + repr(crop).encode()).hexdigest()
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id)
        if _has_photo(portrait, source):
            return portrait
        portrait.require_open(self._clock.now())
        portrait.require(PortraitStatus.PENDING_UPLOAD)
        prepared = await self._photo_lab.prepare_photo(upload, crop)
        await self._require_one_face(prepared)
        photo = Photo(await self._store_photo(portrait, prepared), source)
        try:
            begun = await self._begin(portrait_id, photo)
        except BaseException:
            await self._remove_unless_kept(portrait_id, photo)
            raise
        if begun.photo != photo:
            await self._remove(photo)
        return begun

    async def _require_one_face(self, prepared: EncodedPicture) -> None:
        detector = self._providers.face_detector()
        if detector is None:
            return
        faces = await detector.detect(Picture(prepared.data, prepared.content_type))
        if not faces:
            raise Unprocessable("no face was found: use a photo that shows one face from the front", code="FACE_NOT_FOUND")
        if len(faces) > 1:
            raise Unprocessable("several faces were found: use a photo of one person", code="SEVERAL_FACES")

    async def _store_photo(self, portrait: Portrait, prepared: EncodedPicture) -> StoredFile:
        """Under a key of this try's own: one that fails can take its file away whatever another does with the same photo."""
        key = f"{portrait.storage_prefix}{new_id()}.jpg"
        await self._providers.storage().put(PutObject(key, prepared.data, prepared.content_type))
        return stored_file(key, prepared)

    async def _begin(self, portrait_id: UUID, photo: Photo) -> Portrait:
        now = self._clock.now()
        async with self._units() as uow:
            portrait = await existing(uow, portrait_id, lock=True)
            if _has_photo(portrait, photo.source_sha256):
                return portrait
            portrait.require_open(now)
            portrait = replace(portrait.to(PortraitStatus.PROCESSING, now), photo=photo)
            await uow.portraits.update(portrait)
            pictures = [
                PortraitPicture(portrait_id, index, _seed(portrait_id, index), PictureStatus.WAITING)
                for index in range(PICTURE_COUNT)
            ]
            await uow.portraits.add_pictures(pictures)
            for picture in pictures:
                uow.send(picture_message(portrait, picture.index))
            uow.announce(portrait_changed(portrait))
        return portrait

    async def _remove_unless_kept(self, portrait_id: UUID, photo: Photo) -> None:
        """Nothing half-done stays behind. A commit in doubt may still be under way: it holds the row until then."""
        async with self._units() as uow:
            portrait = await uow.portraits.get(portrait_id, lock=True)
        if portrait is None or portrait.photo != photo:
            await self._remove(photo)

    async def _remove(self, photo: Photo) -> None:
        await self._providers.storage().delete_many([photo.file.key])


def stored_file(key: str, picture: EncodedPicture) -> StoredFile:
    digest = hashlib.sha256(picture.data).hexdigest()
    return StoredFile(key, picture.content_type, len(picture.data), digest, picture.width, picture.height)


def picture_message(portrait: Portrait, index: int) -> NewMessage:
    return NewMessage(
        MAKE_PICTURE,
        {"portrait_id": str(portrait.id), "index": index},
        key=f"portrait:{portrait.id}:picture:{index}",
        subject=portrait.subject,
    )


def _seed(portrait_id: UUID, index: int) -> int:
    """Three seeds that differ, and stay the same however often the job resumes: within 31 bits, as image models take them."""
    digest = hashlib.sha256(f"{portrait_id}:{index}".encode()).digest()
    return (int.from_bytes(digest[:4], "big") & 0x1FFFFFFF) << 2 | index


def _has_photo(portrait: Portrait, source: str) -> bool:
    return portrait.photo is not None and portrait.photo.source_sha256 == source
