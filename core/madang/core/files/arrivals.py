"""What has arrived: looked at while it waits on disk, then stored under a key that nobody else can write to.

A presigned address stays good after its upload was checked, so what it points at is never served: the bytes that were checked
are put again, under a key of their own, and those are the file.
"""

from madang.core.files.contents import ContentTypes, PictureCheck, Spool, SpooledFile, found_type, is_picture, misfit_of
from madang.core.files.model import File, Refusal
from madang.core.files.policies import policy_of
from madang.core.kernel.errors import DomainError, PayloadTooLarge, Unprocessable
from madang.core.kernel.providers import Providers
from madang.ports.storage import PutObject

_PUT_TIMEOUT = 300.0
_TOO_LARGE = frozenset({"FILE_TOO_LARGE", "FILE_TOO_MANY_PIXELS"})


class Arrivals:
    def __init__(self, spool: Spool, types: ContentTypes, pictures: PictureCheck, providers: Providers) -> None:
        self._spool = spool
        self._types = types
        self._pictures = pictures
        self._providers = providers

    @property
    def spool(self) -> Spool:
        return self._spool

    async def collect(self, file: File, spooled: SpooledFile) -> Refusal | None:
        """Read what the presigned address took, as far as it is as long as announced. Raises `Rejected` (`not_found`) when
        nothing is there."""
        arrived = await self._providers.storage().get(file.incoming_key)
        if arrived.info.size != file.size:
            return _wrong_size(file, arrived.info.size)
        try:
            async for chunk in arrived.chunks:
                await spooled.write(chunk)
        except PayloadTooLarge:
            return _wrong_size(file, None)
        await spooled.settle()
        return None if spooled.size == file.size else _wrong_size(file, spooled.size)

    async def examine(self, spooled: SpooledFile, *, purpose: str, declared: str, expected_sha256: str | None) -> str | Refusal:
        """The type by content, or what is wrong."""
        found = found_type(declared, await self._types.detect(spooled))
        refusal = misfit_of(spooled, found, policy_of(purpose), declared, expected_sha256)
        if refusal is None and found is not None and is_picture(found):
            refusal = await self._unreadable(spooled)
        return refusal or found or ""

    async def keep(self, spooled: SpooledFile, file: File, content_type: str) -> str:
        """The key under which it is stored now."""
        key = file.new_object_key()
        body = spooled.chunks()
        await self._providers.storage().put(PutObject(key, body, content_type, size=spooled.size, timeout=_PUT_TIMEOUT))
        return key

    async def _unreadable(self, spooled: SpooledFile) -> Refusal | None:
        try:
            await self._pictures.check_picture(spooled.handle)
        except (Unprocessable, PayloadTooLarge) as error:
            return Refusal(error.error_code, error.message, error.params)
        return None


def error_of(refusal: Refusal) -> DomainError:
    kind = PayloadTooLarge if refusal.code in _TOO_LARGE else Unprocessable
    return kind(refusal.message, code=refusal.code, **refusal.params)


def _wrong_size(file: File, found: int | None) -> Refusal:
    told = {"expected": file.size, "found": found}
    return Refusal("FILE_SIZE_MISMATCH", f"{file.size} bytes were announced, and other bytes arrived", told)
