"""The container that the HTTP edge needs, in memory: the same rules as the use cases have, and no server."""

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.credits_in_memory import InMemoryCredits
from api.files_in_memory import InMemoryFiles
from api.invoices_in_memory import InMemoryInvoices
from api.payment_plans_in_memory import InMemoryPaymentPlans
from api.payments_in_memory import InMemoryNotices, InMemoryPayments
from api.subscriptions_in_memory import InMemoryMethods, InMemorySubscriptions
from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.joserfc.tokens import JoseTokens
from madang.adapters.phonenumbers.phone_numbers import E164PhoneNumbers
from madang.core.billing.catalogue import released_catalogue
from madang.core.identity.administration import Account, UserChange
from madang.core.identity.api_keys import CreatedApiKey, NewApiKey
from madang.core.identity.external import ExternalSignIn
from madang.core.identity.model import ApiKey, User, UserStatus
from madang.core.identity.profiles import Profile
from madang.core.identity.registration import Register
from madang.core.identity.roles import Role
from madang.core.identity.sessions import OpenSession, SignedIn
from madang.core.identity.sign_in import Challenge
from madang.core.identity.two_factor import Enrolment
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    Problem,
    TooManyAttempts,
    Unauthenticated,
    Unprocessable,
    ValidationFailed,
)
from madang.core.kernel.idempotency import Claim, ClaimOutcome, KeptAnswer
from madang.core.kernel.ids import new_id
from madang.core.kernel.live import LiveEvent
from madang.core.kernel.paging import Page, PageRequest
from madang.core.kernel.tokens import Claims
from madang.core.kernel.tracing import NO_TRACER
from madang.core.operations.deletion import DeletedObject, DeletionReceipt
from madang.core.operations.measurements import Meter
from madang.core.portraits.catalogue import read_catalogue
from madang.core.portraits.model import (
    LIFETIME,
    PRICE,
    AccessAttempts,
    CareEntry,
    FailureReason,
    Improvement,
    PictureStatus,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    StoredFile,
    Survey,
)
from madang.core.portraits.ordering import OrderedPortrait, OrderPortrait
from madang.core.portraits.pictures import MAX_PHOTO_BYTES, Crop
from madang.core.portraits.repository import PortraitView
from madang.core.portraits.results import PictureLinks, PortraitResult
from madang.entrypoints.http.rate_limits import POLICIES
from madang.ports.errors import SignatureInvalid
from madang.ports.payment import Checkout
from madang.ports.secret import Secret
from madang.ports.storage import ObjectInfo, PresignedRequest, StoredObject
from madang.ports.webhook import WebhookRequest

PHONE = "010-2345-6789"
SIGNATURE = "signed-by-the-test-provider"
FILES = "http://files.test.invalid"
JPEG = b"\xff\xd8\xff" + b"test photo" * 100

CARE = CareEntry("SC003", "skin", "수분 보습", "Moisture care", "하루 두 번 바릅니다.", "Twice a day.", 4, 8, 30_000, 80_000)
REPORT = Report(
    summary="고른 피부톤이 인상을 환하게 합니다.",
    improvements=[Improvement("피부", "피부톤을 고르게 합니다.", ["SC003"])],
    timeline="8–12주",
    estimated_cost="300,000–800,000원",
)


@dataclass
class MovableClock:
    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.moment

    def forward(self, by: timedelta) -> None:
        self.moment += by


@dataclass
class Settings:
    environment: str = "test"
    brand: str = "Madang"
    base_url: str = "http://madang.test"
    timezone: str = "Asia/Seoul"
    products: Sequence[str] = ("portraits",)
    cors_origins: Sequence[str] = ("https://app.example.com",)
    trusted_proxies: Sequence[str] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"payment": ["sandbox"]})
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    live_streams: int = 500
    live_streams_per_user: int = 10


class NothingHappens:
    """Fulfils `LiveEvents`: every stream is over at once."""

    async def publish(self, channel: str, name: str, data: Mapping[str, Any]) -> None:
        return

    async def listen(self, channel: str, *, after: str | None = None) -> AsyncIterator[LiveEvent]:
        for never in ():
            yield never


@dataclass(frozen=True)
class FixedAllowance:
    allowed: bool
    limit: int
    remaining: int
    reset_after: float


class CountingLimiter:
    """Counts by policy and caller, for ever; `limits` overrides how many are allowed."""

    def __init__(self) -> None:
        self.limits: dict[str, int] = {}
        self.counts: dict[tuple[str, str], int] = {}

    async def hit(self, policy: str, caller: str) -> FixedAllowance:
        assert policy in POLICIES, policy
        limit = self.limits.get(policy, 1_000_000)
        count = self.counts[policy, caller] = self.counts.get((policy, caller), 0) + 1
        return FixedAllowance(count <= limit, limit, limit - count, 30.5)


class NoOwnLimits:
    async def of(self, user_id: UUID) -> Mapping[str, str]:
        return {}


class KeptAnswers:
    """Fulfils `IdempotencyStore`."""

    def __init__(self) -> None:
        self.claims: dict[tuple[str, str], tuple[bytes, UUID, datetime]] = {}
        self.answers: dict[tuple[str, str], KeptAnswer] = {}

    async def claim(self, scope: str, key: str, body_hash: bytes, *, now: datetime, lease: float, keep: float) -> Claim:
        known = self.claims.get((scope, key))
        if known is None:
            self.claims[scope, key] = (body_hash, new_id(), now + timedelta(seconds=lease))
            return Claim(ClaimOutcome.CLAIMED, self.claims[scope, key][1])
        first_hash, subject, until = known
        if first_hash != body_hash:
            return Claim(ClaimOutcome.REUSED, subject)
        if (scope, key) in self.answers:
            return Claim(ClaimOutcome.REPLAY, subject, self.answers[scope, key])
        if now < until:
            return Claim(ClaimOutcome.IN_PROGRESS, subject)
        self.claims[scope, key] = (body_hash, subject, now + timedelta(seconds=lease))
        return Claim(ClaimOutcome.CLAIMED, subject)

    async def answer(self, scope: str, key: str, answer: KeptAnswer) -> None:
        self.answers[scope, key] = answer

    async def release(self, scope: str, key: str) -> None:
        self.claims.pop((scope, key), None)


class InMemoryPortraits:
    """The buyer's use cases. `interrupt` runs in the middle of `order`: a test may wait or fail there."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.portraits: dict[UUID, Portrait] = {}
        self.pictures: dict[UUID, list[PortraitPicture]] = {}
        self.surveys: dict[UUID, Survey] = {}
        self.attempts: dict[tuple[UUID, str], AccessAttempts] = {}
        self.phones: dict[UUID, str] = {}
        self.crops: dict[UUID, Crop | None] = {}
        self.receipts: dict[UUID, DeletionReceipt] = {}
        self.hints: list[UUID] = []
        self.payment_keys: list[str | None] = []
        self.accounts: list[str] = []
        self.interrupt: Callable[[], Any] | None = None
        self.report = REPORT
        self.care: dict[str, CareEntry] = {CARE.code: CARE}

    async def order(self, command: OrderPortrait) -> OrderedPortrait:
        if self.interrupt is not None:
            await self.interrupt()
        self.accounts.append(command.account)
        if command.id not in self.portraits:
            self._refuse_taken(command)
            self.portraits[command.id] = self._new(command)
        return OrderedPortrait(self.portraits[command.id], Checkout("https://pay.test.invalid/c", client_params={"k": 1}))

    def _refuse_taken(self, command: OrderPortrait) -> None:
        for portrait in self.portraits.values():
            same_account = portrait.account == command.account
            if command.client_reference and same_account and portrait.client_reference == command.client_reference:
                raise AlreadyExists("taken", id=str(portrait.id))

    def _new(self, command: OrderPortrait) -> Portrait:
        now = self.clock.now()
        return Portrait(
            command.id, command.account, PortraitStatus.PENDING_PAYMENT, new_id(), PRICE, command.locale, now, now,
            now + LIFETIME, command.client_reference,
        )  # fmt: skip

    async def view(self, portrait_id: UUID) -> PortraitView:
        portrait = self._existing(portrait_id)
        receipt = self.receipts.get(portrait_id)
        return PortraitView(portrait, self.pictures.get(portrait_id, []), "https://pay.test.invalid/c", receipt)

    async def check_payment(self, portrait_id: UUID, key: str | None = None) -> None:
        self._existing(portrait_id)
        self.hints.append(portrait_id)
        self.payment_keys.append(key)

    async def set_phone(self, portrait_id: UUID, written: str) -> Portrait:
        number = E164PhoneNumbers().to_e164(written)
        portrait = self._open(portrait_id, PortraitStatus.PENDING_PHONE, PortraitStatus.PENDING_UPLOAD)
        self.phones[portrait_id] = number
        return self.change(portrait_id, status=PortraitStatus.PENDING_UPLOAD, updated_at=portrait.updated_at)

    async def submit_photo(self, portrait_id: UUID, upload: bytes, crop: Crop | None) -> Portrait:
        self._open(portrait_id, PortraitStatus.PENDING_UPLOAD)
        if len(upload) > MAX_PHOTO_BYTES:
            raise PayloadTooLarge("too large", code="PHOTO_TOO_LARGE")
        if not upload.startswith(b"\xff\xd8\xff"):
            raise Unprocessable("not a photo", code="PHOTO_TYPE_NOT_SUPPORTED")
        self.crops[portrait_id] = crop
        self.pictures[portrait_id] = [PortraitPicture(portrait_id, i, i, PictureStatus.WAITING) for i in range(3)]
        return self.change(portrait_id, status=PortraitStatus.PROCESSING)

    async def check_phone(self, portrait_id: UUID, written: str, address: str) -> Portrait:
        number, now = E164PhoneNumbers().to_e164(written), self.clock.now()
        portrait = self._open(portrait_id, PortraitStatus.PROCESSING, PortraitStatus.COMPLETED, PortraitStatus.FAILED)
        attempts = self.attempts.get((portrait_id, address), AccessAttempts(portrait_id, b""))
        if not attempts.is_blocked(now) and self.phones.get(portrait_id) == number:
            return portrait
        if not attempts.is_blocked(now):
            attempts = self.attempts[portrait_id, address] = attempts.after_wrong(now)
        if attempts.is_blocked(now):
            raise TooManyAttempts("blocked", retry_after=3600.0)
        raise PermissionDenied("wrong", code="PHONE_DOES_NOT_MATCH")

    async def result(self, portrait_id: UUID) -> PortraitResult:
        portrait = self._open(portrait_id, PortraitStatus.COMPLETED)
        links = [self._links(portrait, index) for index in range(3)]
        return PortraitResult(portrait, self.report, links, self.care, portrait_id in self.surveys)

    async def download(self, portrait_id: UUID) -> Sequence[tuple[str, StoredFile]]:
        self._open(portrait_id, PortraitStatus.COMPLETED)
        return [(f"portrait-{i + 1}.png", StoredFile(f"{portrait_id}/{i}.png", "image/png", 9, "", 3, 4)) for i in range(3)]

    async def open_file(self, key: str) -> StoredObject:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"bytes of "
            yield key.encode()

        return StoredObject(ObjectInfo(key, 9, "image/png", "e", self.clock.now()), chunks())

    async def submit_survey(self, portrait_id: UUID, score: int, comment: str | None) -> Survey:
        self._open(portrait_id, PortraitStatus.COMPLETED)
        if portrait_id in self.surveys:
            raise Conflict("again", code="SURVEY_ALREADY_SUBMITTED")
        self.surveys[portrait_id] = Survey(portrait_id, score, comment, self.clock.now())
        return self.surveys[portrait_id]

    def change(self, portrait_id: UUID, **changes: Any) -> Portrait:
        """Put the job into a state, as the worker would."""
        self.portraits[portrait_id] = replace(self.portraits[portrait_id], **changes)
        return self.portraits[portrait_id]

    def complete(self, portrait_id: UUID, *, phone: str = PHONE) -> None:
        self.phones[portrait_id] = E164PhoneNumbers().to_e164(phone)
        self.change(portrait_id, status=PortraitStatus.COMPLETED, report=REPORT, completed_at=self.clock.now())

    def fail(self, portrait_id: UUID, reason: FailureReason = FailureReason.PICTURES) -> None:
        self.change(portrait_id, status=PortraitStatus.FAILED, failure=reason)

    def expire(self, portrait_id: UUID) -> None:
        now = self.clock.now()
        self.change(portrait_id, status=PortraitStatus.EXPIRED, purged_at=now)
        self.receipts[portrait_id] = DeletionReceipt(
            new_id(), f"portrait:{portrait_id}", now, now, [DeletedObject("a.jpg", "0" * 64)], {"portraits": 1}, "f" * 64, None
        )

    def _existing(self, portrait_id: UUID) -> Portrait:
        if portrait_id not in self.portraits:
            raise NotFound("none", code="PORTRAIT_NOT_FOUND")
        return self.portraits[portrait_id]

    def _open(self, portrait_id: UUID, *allowed: PortraitStatus) -> Portrait:
        portrait = self._existing(portrait_id)
        portrait.require_open(self.clock.now())
        portrait.require(*allowed)
        return portrait

    def _links(self, portrait: Portrait, index: int) -> PictureLinks:
        until = self.clock.now() + timedelta(hours=1)
        links = [PresignedRequest("GET", f"{FILES}/{index}{end}?signature=x&a=b", until) for end in (".png", ".webp", "s.jpg")]
        return PictureLinks(index, 100 + index, links[0], links[1], links[2], 1536, 2048)


@dataclass(frozen=True)
class Imported:
    created: int
    updated: int
    problems: Sequence[Problem]


class InMemoryKnowledgeBase:
    def __init__(self) -> None:
        self.entries: dict[str, CareEntry] = {}

    async def page(self, request: PageRequest, category: str | None = None) -> Page[CareEntry]:
        found = [entry for code, entry in sorted(self.entries.items()) if category in (None, entry.category)]
        return Page(found[request.offset : request.offset + request.limit], len(found), request.page, request.limit)

    async def get(self, code: str) -> CareEntry:
        if code not in self.entries:
            raise NotFound("none", code="CARE_ENTRY_NOT_FOUND")
        return self.entries[code]

    async def create(self, caller: Caller, entry: CareEntry) -> CareEntry:
        if entry.code in self.entries:
            raise AlreadyExists("taken", code="CARE_CODE_TAKEN")
        self.entries[entry.code] = entry
        return entry

    async def replace(self, caller: Caller, code: str, entry: CareEntry) -> CareEntry:
        await self.get(code)
        self.entries[code] = entry
        return entry

    async def delete(self, caller: Caller, code: str) -> None:
        await self.get(code)
        del self.entries[code]

    async def import_csv(self, caller: Caller, text: str) -> Imported:
        entries, problems = read_catalogue(text)
        created = sum(entry.code not in self.entries for entry in entries)
        self.entries |= {entry.code: entry for entry in entries}
        return Imported(created, len(entries) - created, problems)


class InMemoryBilling:
    def __init__(self) -> None:
        self.deliveries: list[WebhookRequest] = []
        self.seen: set[bytes] = set()

    async def receive_webhook(self, provider: str, request: WebhookRequest) -> bool:
        if provider != "sandbox":
            raise NotFound("no such provider", code="PROVIDER_NOT_FOUND")
        if request.headers.get("webhook-signature") != SIGNATURE:
            raise SignatureInvalid("forged", provider=provider)
        digest = hashlib.sha256(request.body).digest()
        is_new = digest not in self.seen
        self.seen.add(digest)
        self.deliveries.append(request)
        return is_new


class InMemoryPictureNotices(InMemoryBilling):
    def __init__(self) -> None:
        super().__init__()
        self.purchases: list[tuple[str | None, str | None]] = []

    async def receive_webhook(
        self, provider: str, request: WebhookRequest, *, purchase: str | None = None, proof: str | None = None
    ) -> bool:
        self.purchases.append((purchase, proof))
        return await super().receive_webhook(provider, request)


@dataclass(frozen=True)
class MountedPlugin:
    path: str
    app: Callable[..., Any]
    name: str = "sandbox"


@dataclass
class PluginMounts:
    mounted: list[MountedPlugin] = field(default_factory=list)

    def mounts(self, names: Collection[str] | None = None) -> Sequence[MountedPlugin]:
        return [mount for mount in self.mounted if names is None or mount.name in names]


@dataclass
class Beat:
    kind: str
    age: float


@dataclass
class Surroundings:
    """Database, Redis and heartbeats as the health checks see them; an exception in place of a value is raised."""

    depth: dict[str, Any] | Exception
    beats: list[Beat]
    ping_error: Exception | None = None

    async def fetchrow(self, statement: str) -> dict[str, Any]:
        if isinstance(self.depth, Exception):
            raise self.depth
        return self.depth

    async def all(self) -> list[Beat]:
        return self.beats

    async def ping(self) -> bool:
        if self.ping_error is not None:
            raise self.ping_error
        return True


QUIET_DEPTH = {"waiting": 3, "leased": 1, "dead": 0, "oldest_due": 0.0, "oldest_lease": -4.0}


class NothingRevoked:
    def ended(self, session: object) -> bool:
        return False

    async def watch(self) -> None: ...

    async def loaded(self, patience: float) -> bool:
        return True


class NoApiKeys:
    """There is none, and so none is good."""

    async def verify(self, written: str) -> Claims:
        raise Unauthenticated("the API key is not valid")

    async def create(self, caller: Caller, wanted: NewApiKey) -> CreatedApiKey:
        raise Conflict("no key is made here", code="TOO_MANY_API_KEYS")

    async def of_caller(self, caller: Caller) -> Sequence[ApiKey]:
        return []

    async def revoke(self, caller: Caller, key_id: UUID) -> None:
        raise NotFound("there is no such API key", code="API_KEY_NOT_FOUND")


class InMemoryAccounts:
    """All of identity: one user whose every password is right, and whose every token is good."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.user = User(
            id=new_id(),
            role="client",
            status=UserStatus.ACTIVE,
            locale="ko",
            created_at=clock.now(),
            updated_at=clock.now(),
        )

    async def register(self, command: Register, caller: Caller) -> SignedIn:
        if "@" not in command.email:
            raise ValidationFailed(Problem("email", "is not an e-mail address"))
        return self._signed_in()

    async def sign_in(self, email: str, password: str, caller: Caller) -> SignedIn | Challenge:
        return self._signed_in()

    async def refresh(self, written: str, caller: Caller) -> SignedIn:
        return self._signed_in()

    async def page(self, caller: Caller, request: PageRequest) -> Page[OpenSession]:
        return Page([], 0, request.page, request.limit)

    async def end(self, caller: Caller, session_id: UUID) -> None:
        raise NotFound("none", code="SESSION_NOT_FOUND")

    async def log_out(self, caller: Caller) -> None: ...

    def of(self, user: User) -> Profile:
        return Profile(
            id=user.id,
            role=user.role,
            permissions=(),
            status=user.status,
            locale=user.locale,
            email="name@example.com",
            email_verified=True,
            name=None,
            phone=None,
            two_factor=False,
            created_at=user.created_at,
            updated_at=user.updated_at,
            version=user.version,
        )

    async def get(self, user_id: UUID) -> Profile:
        return self.of(self.user)

    async def change(self, *changed: Any) -> Any:
        """A profile by its changes, or how many sessions a new password ended."""
        return 0 if isinstance(changed[1], str) else self.of(self.user)

    async def forgot(self, email: str) -> None: ...

    async def reset(self, token: str, new: str, caller: Caller) -> None: ...

    async def send_again(self, caller: Caller) -> None: ...

    async def verify(self, token: str, caller: Caller) -> None: ...

    def _signed_in(self) -> SignedIn:
        over = self.clock.now() + timedelta(hours=1)
        return SignedIn(self.user, new_id(), "access", "refresh", over, over)


class InMemoryProofs:
    """Second factors and external identities: every code is right, and every token is of our one user."""

    def __init__(self, accounts: InMemoryAccounts) -> None:
        self.accounts = accounts

    async def enrol(self, caller: Caller, password: str | None) -> Enrolment:
        return Enrolment("A" * 32, "otpauth://totp/Madang:name", "<svg/>")

    async def confirm(self, caller: Caller, code: str) -> Sequence[str]:
        return ["ABCD-EFGH-JKLM-NPQR"]

    async def turn_off(self, caller: Caller, *, password: str | None = None, code: str | None = None) -> None: ...

    async def answer(self, challenge: str, code: str, caller: Caller) -> SignedIn:
        return await self.accounts.refresh(challenge, caller)

    async def sign_in(self, command: ExternalSignIn, caller: Caller) -> SignedIn | Challenge:
        return Challenge("challenge", self.accounts.clock.now())


class InMemoryUsers:
    """One user, who is nobody's to change."""

    def __init__(self, accounts: InMemoryAccounts) -> None:
        self.account = Account(accounts.user, "name@example.com")

    async def page(
        self, caller: Caller, request: PageRequest, *, role: Role | None = None, status: UserStatus | None = None
    ) -> Page[Account]:
        return Page([self.account], 1, request.page, request.limit)

    async def get(self, caller: Caller, user_id: UUID) -> Account:
        return self.account

    async def change(self, caller: Caller, user_id: UUID, change: UserChange) -> Account:
        raise Conflict("the last one", code="LAST_ADMIN")


class InMemoryContainer:
    """Fulfils `HttpContainer`."""

    def __init__(self) -> None:
        keys = KeyRing(Secret("test-key-not-secret-test-key-not-secret"))
        self.settings = Settings()
        self.clock = MovableClock()
        self.tokens = JoseTokens({"test": b"test-key-not-secret-test-key-not"}, self.clock)
        self.revocations = NothingRevoked()
        self.api_keys = self.api_key_check = NoApiKeys()
        self.cipher = AesGcmCipher(keys)
        self.idempotency = KeptAnswers()
        self.limiter = CountingLimiter()
        self.user_limits = NoOwnLimits()
        self.meter = Meter()
        self.tracer = NO_TRACER
        self.live = NothingHappens()
        self.portraits = InMemoryPortraits(self.clock)
        self.knowledge_base = InMemoryKnowledgeBase()
        self.files = InMemoryFiles(self.clock)
        self.billing = InMemoryBilling()
        self.checkouts = self.payments = InMemoryPayments(self.clock)
        self.catalogue = released_catalogue()
        self.subscribing = self.subscriptions = self.subscription_means = InMemorySubscriptions(self.clock)
        self.stored_methods = InMemoryMethods(self.subscribing)
        self.inbox_keeping = InMemoryNotices(self.clock)
        self.invoices = InMemoryInvoices()
        self.payment_plans = self.installment_checkouts = InMemoryPaymentPlans(self.clock)
        self.delivery_reports = InMemoryBilling()
        self.picture_notices = InMemoryPictureNotices()
        self.catalogue = released_catalogue()
        self.credit_accounts = InMemoryCredits(self.clock.now)
        accounts = InMemoryAccounts(self.clock)
        self.registration = self.sign_in = self.sessions = self.profiles = accounts
        self.passwords = self.email_verification = accounts
        self.two_factor = self.second_step = self.external_sign_in = InMemoryProofs(accounts)
        self.user_administration = InMemoryUsers(accounts)
        self.registry = PluginMounts()
        self.surroundings = Surroundings(dict(QUIET_DEPTH), [Beat("worker", 1.0), Beat("relay", 1.0)])
        self.database = self.redis = self.heartbeats = self.surroundings

    def token(self, audience: str, subject: object, *, hours: float = 1.0, **extra: Any) -> str:
        """A token that our own process would issue."""
        return self.tokens.issue(audience, str(subject), expires_at=self.clock.now() + timedelta(hours=hours), extra=extra)

    def editor(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token('api', new_id(), role='admin', permissions=[])}"}
