"""What HTTP asks of the composed process: the part of the container that this edge touches."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from madang.core.files.contents import SpooledFile
from madang.core.files.model import File, FileStatus
from madang.core.files.service import AnnouncedUpload, AnnounceUpload, StoreFile
from madang.core.kernel.caller import Caller
from madang.core.kernel.clock import Clock
from madang.core.kernel.idempotency import IdempotencyStore
from madang.core.kernel.live import LiveEvents
from madang.core.kernel.paging import CursorPage, CursorRequest, Page, PageRequest
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.tokens import Claims, Tokens
from madang.core.notifications.delivery_log import LogEntry
from madang.core.notifications.model import Category, Channel, Preferences
from madang.core.portraits.model import CareEntry, Portrait, StoredFile, Survey
from madang.core.portraits.ordering import OrderedPortrait, OrderPortrait
from madang.core.portraits.pictures import Crop
from madang.core.portraits.repository import PortraitView
from madang.core.portraits.results import PortraitResult
from madang.core.privacy.model import Erasure
from madang.core.privacy.service import ErasureView, Export
from madang.core.webhooks.service import WebhookService
from madang.entrypoints.http.billing.credit_parts import CreditParts
from madang.entrypoints.http.billing.invoice_parts import InvoiceParts
from madang.entrypoints.http.billing.payment_parts import PaymentParts
from madang.entrypoints.http.billing.payment_plan_parts import PaymentPlanParts
from madang.entrypoints.http.billing.subscription_parts import SubscriptionParts
from madang.entrypoints.http.identity.parts import IdentityParts
from madang.entrypoints.http.operations.parts import OperationParts
from madang.ports.storage import PresignedRequest, StoredObject
from madang.ports.webhook import WebhookRequest


class HttpSettings(Protocol):
    """The settings of the deployment that the edge reads."""

    @property
    def environment(self) -> str: ...

    @property
    def brand(self) -> str: ...

    @property
    def base_url(self) -> str: ...

    @property
    def timezone(self) -> str: ...

    @property
    def cors_origins(self) -> Sequence[str]: ...

    @property
    def trusted_proxies(self) -> Sequence[str]: ...

    @property
    def products(self) -> Sequence[str]: ...

    @property
    def limits(self) -> Mapping[str, str]: ...

    @property
    def routes(self) -> Mapping[str, Sequence[str]]: ...

    @property
    def live_streams(self) -> int: ...

    @property
    def live_streams_per_user(self) -> int: ...

    @property
    def plugins(self) -> Mapping[str, Mapping[str, Any]]: ...


class Portraits(Protocol):
    """The buyer's use cases (`PortraitService`)."""

    async def order(self, command: OrderPortrait) -> OrderedPortrait: ...

    async def view(self, portrait_id: UUID) -> PortraitView: ...

    async def set_phone(self, portrait_id: UUID, written: str) -> Portrait: ...

    async def submit_photo(self, portrait_id: UUID, upload: bytes, crop: Crop | None) -> Portrait: ...

    async def check_phone(self, portrait_id: UUID, written: str, address: str) -> Portrait: ...

    async def check_payment(self, portrait_id: UUID, key: str | None = None) -> None: ...

    async def result(self, portrait_id: UUID) -> PortraitResult: ...

    async def download(self, portrait_id: UUID) -> Sequence[tuple[str, StoredFile]]: ...

    async def open_file(self, key: str) -> StoredObject: ...

    async def submit_survey(self, portrait_id: UUID, score: int, comment: str | None) -> Survey: ...


class ImportProblem(Protocol):
    @property
    def path(self) -> str: ...

    @property
    def message(self) -> str: ...


class ImportOutcome(Protocol):
    @property
    def created(self) -> int: ...

    @property
    def updated(self) -> int: ...

    @property
    def problems(self) -> Sequence[ImportProblem]: ...


class KnowledgeBase(Protocol):
    """The care catalogue's use cases (`KnowledgeBaseService`)."""

    async def page(self, request: PageRequest, category: str | None = None) -> Page[CareEntry]: ...

    async def get(self, code: str) -> CareEntry: ...

    async def create(self, caller: Caller, entry: CareEntry) -> CareEntry: ...

    async def replace(self, caller: Caller, code: str, entry: CareEntry) -> CareEntry: ...

    async def delete(self, caller: Caller, code: str) -> None: ...

    async def import_csv(self, caller: Caller, text: str) -> ImportOutcome: ...


class Files(Protocol):
    """The use cases of a file's owner (`FileService`)."""

    async def announce_upload(self, caller: Caller, command: AnnounceUpload) -> AnnouncedUpload: ...

    async def complete(self, caller: Caller, file_id: UUID) -> File: ...

    def receiving(self, purpose: str) -> AbstractAsyncContextManager[SpooledFile]: ...

    async def store(self, caller: Caller, command: StoreFile, spooled: SpooledFile) -> File: ...

    async def get(self, caller: Caller, file_id: UUID) -> File: ...

    async def page(
        self, caller: Caller, request: PageRequest, *, purpose: str | None = None, status: FileStatus | None = None
    ) -> Page[File]: ...

    async def link(self, caller: Caller, file_id: UUID) -> PresignedRequest: ...

    async def delete(self, caller: Caller, file_id: UUID) -> File: ...

    def name_of(self, file: File) -> str: ...


class Billing(Protocol):
    async def receive_webhook(self, provider: str, request: WebhookRequest) -> bool: ...


class Privacy(Protocol):
    """What we owe a person (`PrivacyService`)."""

    async def export(self, caller: Caller) -> Export: ...

    async def erase_me(self, caller: Caller, erasure_id: UUID, *, password: str | None, code: str | None) -> Erasure: ...

    async def erase(self, caller: Caller, user_id: UUID, erasure_id: UUID) -> Erasure: ...

    async def view(self, erasure_id: UUID) -> ErasureView: ...


class DeliveryReports(Protocol):
    """What providers tell of sent messages (`DeliveryReports` of the core)."""

    async def receive_webhook(self, provider: str, request: WebhookRequest) -> bool: ...


class PictureNotices(Protocol):
    """What image models announce (`PictureNotices` of the core)."""

    async def receive_webhook(
        self, provider: str, request: WebhookRequest, *, purchase: str | None = None, proof: str | None = None
    ) -> bool: ...


class DeliveryLog(Protocol):
    async def page(self, user_id: UUID, request: CursorRequest) -> CursorPage[LogEntry]: ...


class NotificationPreferences(Protocol):
    """What people want of messages (`PreferenceService`)."""

    async def of(self, user_id: UUID) -> Preferences: ...

    async def choose(
        self, caller: Caller, choices: Mapping[Category, Sequence[Channel]], versions: Collection[int] | None = None
    ) -> Preferences: ...

    def subscription(self, token: str) -> Category: ...

    async def unsubscribe(self, token: str, caller: Caller) -> Category: ...


class Mount(Protocol):
    @property
    def path(self) -> str: ...

    @property
    def app(self) -> Callable[..., Awaitable[None]]: ...


class Registry(Protocol):
    def mounts(self, names: Collection[str] | None = None) -> Sequence[Mount]: ...


class Allowance(Protocol):
    """What is left to a caller; `reset_after` is in seconds."""

    @property
    def allowed(self) -> bool: ...

    @property
    def limit(self) -> int: ...

    @property
    def remaining(self) -> int: ...

    @property
    def reset_after(self) -> float: ...


class Limiter(Protocol):
    async def hit(self, policy: str, caller: str, written: str | None = None) -> Allowance:
        """Count one call, under a limit of the caller's own where one is `written`. Never raises for a carrier that is down:
        then each process counts for itself."""
        ...


class Database(Protocol):
    """For the health checks only: everything else goes through use cases."""

    async def fetchrow(self, statement: str) -> Any: ...


class Redis(Protocol):
    def ping(self) -> Any: ...


class Heartbeat(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def age(self) -> float: ...


class Heartbeats(Protocol):
    async def all(self) -> Sequence[Heartbeat]: ...


class Revocations(Protocol):
    """Which sessions are over (`madang.adapters.postgres.identity.revocations`)."""

    def ended(self, session: object) -> bool: ...

    async def watch(self) -> None:
        """Runs until it is cancelled."""
        ...

    async def loaded(self, patience: float) -> bool: ...


class ApiKeyCheck(Protocol):
    async def verify(self, written: str) -> Claims: ...


class HttpContainer(
    CreditParts, IdentityParts, InvoiceParts, OperationParts, PaymentParts, PaymentPlanParts, SubscriptionParts, Protocol
):
    """Fulfilled by the process's container, and by an in-memory one in the fast tests."""

    @property
    def settings(self) -> HttpSettings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def tokens(self) -> Tokens: ...

    @property
    def revocations(self) -> Revocations: ...

    @property
    def api_key_check(self) -> ApiKeyCheck: ...

    @property
    def cipher(self) -> PersonalDataCipher: ...

    @property
    def idempotency(self) -> IdempotencyStore: ...

    @property
    def limiter(self) -> Limiter: ...

    @property
    def live(self) -> LiveEvents: ...

    @property
    def webhooks(self) -> WebhookService: ...

    @property
    def portraits(self) -> Portraits: ...

    @property
    def knowledge_base(self) -> KnowledgeBase: ...

    @property
    def files(self) -> Files: ...

    @property
    def billing(self) -> Billing: ...

    @property
    def delivery_reports(self) -> DeliveryReports: ...

    @property
    def picture_notices(self) -> PictureNotices: ...

    @property
    def delivery_log(self) -> DeliveryLog: ...

    @property
    def notification_preferences(self) -> NotificationPreferences: ...

    @property
    def privacy(self) -> Privacy: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def database(self) -> Database: ...

    @property
    def redis(self) -> Redis: ...

    @property
    def heartbeats(self) -> Heartbeats: ...
