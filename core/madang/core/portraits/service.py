"""Use cases of the buyer: order, phone, photo, phone check, result, survey (seed 003, sections 3 to 5)."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from madang.core.billing.model import OPEN, Payment
from madang.core.billing.service import BillingService, NewPayment
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    PermissionDenied,
    Problem,
    TooManyAttempts,
    Unprocessable,
    ValidationFailed,
    WrongState,
)
from madang.core.kernel.ids import new_id
from madang.core.kernel.messages import NewMessage
from madang.core.kernel.protection import PersonalDataCipher, PhoneNumbers
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWorkFactory
from madang.core.portraits.events import portrait_changed
from madang.core.portraits.model import (
    LIFETIME,
    PICTURE_COUNT,
    PRESIGNED_FOR,
    PRICE,
    AccessAttempts,
    CareEntry,
    Locale,
    Photo,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    StoredFile,
    Survey,
)
from madang.core.portraits.pictures import Crop, EncodedPicture, PhotoLab
from madang.core.portraits.repository import PortraitReader, PortraitsUnitOfWork, PortraitView
from madang.core.portraits.topics import EXPIRE, MAKE_PICTURE
from madang.ports.payment import Checkout
from madang.ports.storage import PresignedRequest, PresignGet, PutObject, StoredObject
from madang.ports.text_model import Picture

PURPOSE: Final = "portraits"
"""How payments name us."""
PHONE: Final = "portraits.phone"
ADDRESS: Final = "portraits.address"
ACCOUNT: Final = "portraits.account"
MAX_COMMENT: Final = 1000

_ANSWERABLE: Final = (PortraitStatus.PROCESSING, PortraitStatus.COMPLETED, PortraitStatus.FAILED)


@dataclass(frozen=True, slots=True)
class OrderPortrait:
    """`id` stays the same for every try of one order. `account` is who orders; anonymous buyers are told apart by address."""

    id: UUID
    account: str
    locale: Locale
    client_reference: str | None = None


@dataclass(frozen=True, slots=True)
class OrderedPortrait:
    portrait: Portrait
    checkout: Checkout


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


class PortraitService:
    def __init__(
        self,
        *,
        units: UnitOfWorkFactory[PortraitsUnitOfWork],
        reader: PortraitReader,
        billing: BillingService,
        providers: Providers,
        photo_lab: PhotoLab,
        cipher: PersonalDataCipher,
        phone_numbers: PhoneNumbers,
        clock: Clock,
        base_url: str,
    ) -> None:
        self._units = units
        self._reader = reader
        self._billing = billing
        self._providers = providers
        self._photo_lab = photo_lab
        self._cipher = cipher
        self._phone_numbers = phone_numbers
        self._clock = clock
        self._base_url = base_url.rstrip("/")

    async def order(self, command: OrderPortrait) -> OrderedPortrait:
        """Start a job and open its checkout. Trying again with the same id answers the same job.

        Raises `AlreadyExists` for a client reference that the account has used, and what the payment gateway raises;
        nothing is stored unless the checkout was opened.
        """
        accounts = self._accounts_of(command.account)
        async with self._units() as uow:
            earlier = await _ordered(uow, command.id)
            if earlier is not None:
                return earlier
            await self._refuse_taken_reference(uow, accounts, command.client_reference)
        portrait = self._new_portrait(command, accounts[0])
        payment = await self._billing.open_checkout(self._purchase_of(portrait))
        try:
            return await self._place(portrait, payment)
        except AlreadyExists:
            async with self._units() as uow:
                other_try = await _ordered(uow, command.id)
            if other_try is None:
                raise
            return other_try

    async def _place(self, portrait: Portrait, payment: Payment) -> OrderedPortrait:
        async with self._units() as uow:
            await uow.portraits.add(portrait)
            await self._billing.add(uow, payment)
            uow.send(_expiry_of(portrait))
        return OrderedPortrait(portrait, _checkout_of(payment))

    async def view(self, portrait_id: UUID) -> PortraitView:
        """The job as its buyer sees it, in one statement. Raises `NotFound`."""
        view = await self._reader.view(portrait_id)
        if view is None:
            raise _no_such_portrait()
        return view

    async def check_payment(self, portrait_id: UUID, key: str | None = None) -> None:
        """The browser came back from the checkout: a hint to ask the provider now, never the truth. Where the provider gave it
        a `key`, that is spent once, for our amount."""
        async with self._units() as uow:
            portrait = await _existing(uow, portrait_id)
            if portrait.status is not PortraitStatus.PENDING_PAYMENT:
                return
            payment = await uow.payments.get(portrait.payment_id, lock=True)
            if payment is not None and payment.status in OPEN:
                await self._billing.come_back(uow, payment, key)

    async def set_phone(self, portrait_id: UUID, written: str) -> Portrait:
        """Keep the buyer's phone number, encrypted; until the photo is in, a mistyped one can be replaced.

        Raises `ValidationFailed`, `WrongState`, `Gone`, `NotFound`.
        """
        number = self._phone_numbers.to_e164(written)
        now = self._clock.now()
        async with self._units() as uow:
            portrait = await _existing(uow, portrait_id, lock=True)
            portrait.require_open(now)
            portrait.require(PortraitStatus.PENDING_PHONE, PortraitStatus.PENDING_UPLOAD)
            if portrait.status is PortraitStatus.PENDING_PHONE:
                portrait = portrait.to(PortraitStatus.PENDING_UPLOAD, now)
                uow.announce(portrait_changed(portrait))
            portrait = replace(
                portrait,
                phone=self._cipher.encrypt(number, purpose=PHONE),
                phone_hash=self._cipher.keyed_hash(number, purpose=PHONE),
                updated_at=now,
            )
            await uow.portraits.update(portrait)
        return portrait

    async def submit_photo(self, portrait_id: UUID, upload: bytes, crop: Crop | None) -> Portrait:
        """Check, crop and store the photo, and start the three pictures. The same upload again answers the job as it is.

        Raises what `PhotoLab.prepare_photo` raises, `Unprocessable` (`FACE_NOT_FOUND`, `SEVERAL_FACES`), `WrongState`,
        `Gone`, `NotFound`.
        """
        source = hashlib.sha256(upload + repr(crop).encode()).hexdigest()
        async with self._units() as uow:
            portrait = await _existing(uow, portrait_id)
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

    async def check_phone(self, portrait_id: UUID, written: str, address: str) -> Portrait:
        """Whether `written` is the job's phone number. Three wrong tries from one address block that address for this
        job for an hour.

        Raises `PermissionDenied` (`PHONE_DOES_NOT_MATCH`), `TooManyAttempts`, `ValidationFailed`, `WrongState`,
        `Gone`, `NotFound`.
        """
        number = self._phone_numbers.to_e164(written)
        now = self._clock.now()
        async with self._units() as uow:
            # The job's row lock makes simultaneous guesses wait for one another.
            portrait = await _existing(uow, portrait_id, lock=True)
            portrait.require_open(now)
            portrait.require(*_ANSWERABLE)
            attempts = await self._attempts_of(uow, portrait_id, address)
            if attempts.is_blocked(now):
                raise _blocked(attempts, now)
            hashes = self._cipher.keyed_hashes(number, purpose=PHONE)
            matches = any(hmac.compare_digest(each, portrait.phone_hash or b"") for each in hashes)
            attempts = replace(attempts, failures=0, blocked_until=None) if matches else attempts.after_wrong(now)
            await uow.portraits.save_attempts(attempts)
        if matches:
            return portrait
        if attempts.is_blocked(now):
            raise _blocked(attempts, now)
        raise PermissionDenied("this is not the phone number of the order", code="PHONE_DOES_NOT_MATCH")

    async def result(self, portrait_id: UUID) -> PortraitResult:
        """The pictures by presigned address, the report, and the care entries that it names. Raises `WrongState`,
        `Gone`, `NotFound`."""
        async with self._units() as uow:
            portrait = await _existing(uow, portrait_id)
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
            portrait = await _existing(uow, portrait_id)
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
            portrait = await _existing(uow, portrait_id, lock=True)
            portrait.require_open(now)
            portrait.require(PortraitStatus.COMPLETED)
            survey = Survey(portrait_id, score, comment or None, now)
            if not await uow.portraits.add_survey(survey):
                raise Conflict("this portrait's survey was already answered", code="SURVEY_ALREADY_SUBMITTED")
        return survey

    def _accounts_of(self, account: str) -> Sequence[str]:
        """A client's address is personal data: only its keyed hash is kept, under whichever key was current."""
        return [hashed.hex() for hashed in self._cipher.keyed_hashes(account, purpose=ACCOUNT)]

    async def _attempts_of(self, uow: PortraitsUnitOfWork, portrait_id: UUID, address: str) -> AccessAttempts:
        """A new key forgives nobody: the count goes on under the hash that it was begun under."""
        hashes = self._cipher.keyed_hashes(address, purpose=ADDRESS)
        for hashed in hashes:
            found = await uow.portraits.attempts(portrait_id, hashed)
            if found is not None:
                return found
        return AccessAttempts(portrait_id, hashes[0])

    async def _refuse_taken_reference(self, uow: PortraitsUnitOfWork, accounts: Sequence[str], reference: str | None) -> None:
        for account in accounts if reference else ():
            taken = await uow.portraits.by_client_reference(account, reference or "")
            if taken is not None:
                raise AlreadyExists("this client reference was used for another order", id=str(taken.id))

    def _new_portrait(self, command: OrderPortrait, account: str) -> Portrait:
        now = self._clock.now()
        return Portrait(
            id=command.id,
            account=account,
            status=PortraitStatus.PENDING_PAYMENT,
            payment_id=uuid5(command.id, "payment"),
            amount=PRICE,
            locale=command.locale,
            created_at=now,
            updated_at=now,
            expires_at=now + LIFETIME,
            client_reference=command.client_reference,
        )

    def _purchase_of(self, portrait: Portrait) -> NewPayment:
        page = f"{self._base_url}/portraits/{portrait.id}"
        return NewPayment(
            id=portrait.payment_id,
            purpose=PURPOSE,
            subject=portrait.subject,
            amount=portrait.amount,
            description="Find My Rizz",
            success_url=f"{page}/paid",
            cancel_url=f"{page}/cancelled",
            expires_at=portrait.expires_at,
            locale=portrait.locale,
        )

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
            portrait = await _existing(uow, portrait_id, lock=True)
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


FILE_ENDINGS: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


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


def _expiry_of(portrait: Portrait) -> NewMessage:
    return NewMessage(
        EXPIRE,
        {"portrait_id": str(portrait.id)},
        key=f"portrait:{portrait.id}:expire",
        subject=portrait.subject,
        due_at=portrait.expires_at,
    )


def _seed(portrait_id: UUID, index: int) -> int:
    """Three seeds that differ, and stay the same however often the job resumes: within 31 bits, as image models take them."""
    digest = hashlib.sha256(f"{portrait_id}:{index}".encode()).digest()
    return (int.from_bytes(digest[:4], "big") & 0x1FFFFFFF) << 2 | index


def _has_photo(portrait: Portrait, source: str) -> bool:
    return portrait.photo is not None and portrait.photo.source_sha256 == source


def _checkout_of(payment: Payment | None) -> Checkout:
    if payment is None:
        raise _no_such_portrait()
    return Checkout(payment.checkout_url, payment.reference, payment.client_params or {}, payment.expires_at)


def _blocked(attempts: AccessAttempts, now: datetime) -> TooManyAttempts:
    seconds = (attempts.blocked_until - now).total_seconds() if attempts.blocked_until else 0.0
    return TooManyAttempts("too many wrong phone numbers: try again later", retry_after=seconds)


def _check_survey(score: int, comment: str | None) -> None:
    problems = []
    if not 1 <= score <= 5:
        problems.append(Problem("score", "must be from 1 to 5"))
    if comment is not None and len(comment) > MAX_COMMENT:
        problems.append(Problem("comment", f"must have at most {MAX_COMMENT} characters"))
    if problems:
        raise ValidationFailed(*problems)


async def _ordered(uow: PortraitsUnitOfWork, portrait_id: UUID) -> OrderedPortrait | None:
    """What an earlier try of the same order, or one at the same time, has committed."""
    portrait = await uow.portraits.get(portrait_id)
    return None if portrait is None else OrderedPortrait(portrait, _checkout_of(await uow.payments.get(portrait.payment_id)))


async def _existing(uow: PortraitsUnitOfWork, portrait_id: UUID, *, lock: bool = False) -> Portrait:
    portrait = await uow.portraits.get(portrait_id, lock=lock)
    if portrait is None:
        raise _no_such_portrait()
    return portrait


def _no_such_portrait() -> NotFound:
    return NotFound("there is no such portrait", code="PORTRAIT_NOT_FOUND")
