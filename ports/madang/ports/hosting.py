"""Port: put a static site on a host, make it live, take it back, give it domains, and know what it costs.

A deployment is content-addressed: only files that the host lacks travel. It has four steps, each of which may be repeated:

1. `begin` names every file by the host's own fingerprint (`fingerprint`) and learns which are missing;
2. `upload` sends the missing ones, in batches of the host's size;
3. `finish` makes the deployment out of the whole set: reachable at an address of its own, until ready `fetch_deployment` is
asked; 4. `activate` points the site at it, all at once. `roll_back` points it at an earlier one.

Hosts whose production deployments go live by themselves (`capabilities.activates_on_finish`) switch in step 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.money import Money
from madang.ports.provider import Provider


@dataclass(frozen=True, slots=True)
class SiteRequest:
    """Make a site. `name` is lower-case letters, digits and hyphens, at most 58 characters, unique in our account at the
    host."""

    name: str
    idempotency_key: str
    region: str | None = None
    timeout: float = 60.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteSite:
    """A site at the host: `reference` is what every other call takes, `url` its address there, before any domain of its own."""

    reference: str
    name: str
    url: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SiteFile:
    """One file of the set. `path` starts with a slash and has no `.` or `..` part (`"/img/logo.png"`); `body` is the whole
    file."""

    path: str
    content_type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file by its address: `fingerprint` is the host's own hash of it, `size` in bytes."""

    path: str
    content_type: str
    fingerprint: str
    size: int


@dataclass(frozen=True, slots=True)
class RedirectRule:
    """`source` may end in `/*`; `status` is 301, 302, 307 or 308."""

    source: str
    target: str
    status: int = 301


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """Headers to add to every answer whose path matches `source`, which may end in `/*`."""

    source: str
    headers: Mapping[str, str]


class DeploymentTarget(StrEnum):
    """`PRODUCTION` may become what the site's visitors see; `PREVIEW` is only ever seen at its own address."""

    PRODUCTION = "production"
    PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """The whole of what shall be served. `label` is for people, and `idempotency_key` is kept at the host where it keeps one.

    `timeout` is in seconds, for each single call of the step.
    """

    site: str
    files: Sequence[ManifestFile]
    idempotency_key: str
    target: DeploymentTarget = DeploymentTarget.PRODUCTION
    redirects: Sequence[RedirectRule] = ()
    headers: Sequence[HeaderRule] = ()
    label: str = ""
    timeout: float = 60.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upload:
    """A deployment that has begun: the fingerprints that the host lacks. `reference` is opaque, to be stored, no secret in it.

    After `expires_at` it must be begun anew; what was uploaded stays uploaded.
    """

    reference: str
    missing: frozenset[str]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """Send missing files: at most `capabilities.max_batch_files` and `max_batch_bytes` at once. Sending one twice changes
    nothing."""

    site: str
    upload: str
    files: Sequence[tuple[ManifestFile, bytes]] = field(repr=False)
    timeout: float = 120.0


class RemoteDeploymentStatus(StrEnum):
    """`READY`: served at its own address; `ACTIVE`: it is what the site serves. A state that an adapter does not know is
    `PENDING`."""

    PENDING = "pending"
    READY = "ready"
    ACTIVE = "active"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RemoteDeployment:
    """A deployment as the host has it. `url` is its own address; `check_after` is in seconds, while it is pending."""

    reference: str
    status: RemoteDeploymentStatus
    target: DeploymentTarget
    url: str | None = None
    created_at: datetime | None = None
    check_after: float | None = None
    error: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class ActivationRequest:
    """Point the site at a deployment that is `READY`; pointing it there again changes nothing."""

    site: str
    deployment: str
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class DeploymentPage:
    """One page of a listing, the newest first; `cursor` is None on the last."""

    deployments: Sequence[RemoteDeployment]
    cursor: str | None = None


class RecordPurpose(StrEnum):
    """Why a DNS record must be set."""

    ROUTING = "routing"
    OWNERSHIP = "ownership"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record that the domain's owner must set: `name` fully qualified without the last dot; `found` says whether the host
    sees it."""

    type: str
    name: str
    value: str
    purpose: RecordPurpose
    found: bool | None = None


class DomainStatus(StrEnum):
    """`PENDING`: records are awaited; `ACTIVE`: visitors are served. A state that an adapter does not know is `PENDING`."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"


class CertificateStatus(StrEnum):
    """A state that an adapter does not know is `PENDING`."""

    PENDING = "pending"
    ISSUED = "issued"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DomainRequest:
    """Serve the site under `domain` (lower case, ASCII form of an internationalised name)."""

    site: str
    domain: str
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class RemoteDomain:
    """A custom domain as the host has it: what it waits for (`records`, `waiting_for` in one sentence) and its certificate's
    state."""

    name: str
    status: DomainStatus
    certificate: CertificateStatus
    records: Sequence[DnsRecord] = ()
    waiting_for: str | None = None
    certificate_expires_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """Drop cached copies of `paths`, or of everything when there are none."""

    site: str
    idempotency_key: str
    paths: Sequence[str] = ()
    timeout: float = 60.0


class Meter(StrEnum):
    """What hosts count. Bytes are decimal; storage is the average over the month."""

    REQUESTS = "requests"
    BYTES_OUT = "bytes_out"
    STORAGE_BYTES = "storage_bytes"
    BUILDS = "builds"
    BUILD_SECONDS = "build_seconds"
    FUNCTION_CALLS = "function_calls"
    SITES = "sites"
    DOMAINS = "domains"
    SEATS = "seats"


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """Usage of the days from `first` to `last`, both included, in UTC."""

    site: str
    first: date
    last: date
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """What one day (UTC) used. A meter that the host does not count is absent; `final` says that the number will not grow any
    more."""

    day: date
    amounts: Mapping[Meter, int]
    final: bool = False


@dataclass(frozen=True, slots=True)
class PriceStep:
    """Beyond what came before, up to `up_to` units in a month (None: without end), every started `per` units cost `price`.

    `price` is in millionths of the currency's major unit: $0.15 a gigabyte is `PriceStep(None, 10**9, 150_000)`.
    """

    up_to: int | None
    per: int
    micros: int


@dataclass(frozen=True, slots=True)
class PriceTier:
    """A plan of the host. `included` units a month cost nothing more; `overage` prices what is beyond, by steps.

    A meter that is in `included` and not in `overage` is a hard limit; one in neither is not limited. `features` are neutral
    words: `"custom_domain"`, `"commercial_use"`, `"password_protection"`, `"region:kr"` …
    """

    name: str
    monthly: Money
    included: Mapping[Meter, int] = field(default_factory=dict)
    overage: Mapping[Meter, Sequence[PriceStep]] = field(default_factory=dict)
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The host's published prices as they were on `as_of`, the cheapest tier first; `source` is where they were read."""

    as_of: date
    source: str
    currency: str
    tiers: Sequence[PriceTier]


@dataclass(frozen=True, slots=True)
class HostingCapabilities:
    """What the host can, its limits and its prices.

    `regions` are neutral codes of where it serves from (`"global"`, `"kr"`, `"eu"`). `idempotent`: the host itself honours
    `idempotency_key`. `finds_deployments`: `find_deployment` works. `keeps_deployments` is how many it keeps to roll back to
    (None: all). `usage_lag_hours` is how late its numbers are.
    """

    prices: PriceTable
    activates_on_finish: bool = False
    previews: bool = True
    rollback: bool = True
    domains: bool = True
    redirects: bool = True
    headers: bool = True
    purges: bool = True
    usage: frozenset[Meter] = frozenset()
    usage_lag_hours: int = 24
    idempotent: bool = False
    finds_deployments: bool = False
    keeps_deployments: int | None = None
    max_files: int = 20_000
    max_file_bytes: int = 25 * 1024**2
    max_batch_files: int = 1
    max_batch_bytes: int = 40 * 1024**2
    regions: frozenset[str] = frozenset({"global"})


class HostingProvider(Provider, Protocol):
    """A host for static sites. All methods may raise `Unavailable`, `RateLimited` and `Misconfigured`; an unknown site,
    deployment or domain is `Rejected(reason="not_found")`."""

    @property
    def capabilities(self) -> HostingCapabilities: ...

    def fingerprint(self, file: SiteFile) -> ManifestFile:
        """The file by the host's own hash. Pure: nothing is asked of the host."""
        ...

    async def create_site(self, request: SiteRequest) -> RemoteSite:
        """Make a site, or answer the one of that name if it is ours already. Raises `Rejected` (`name_taken`, `invalid_name`,
        `quota_exceeded`), `OutcomeUnknown`, which may be tried again."""
        ...

    async def fetch_site(self, site: str) -> RemoteSite:
        """The site as the host has it."""
        ...

    async def delete_site(self, site: str, *, idempotency_key: str) -> None:
        """Take the site and all its deployments down; one that is gone already counts as deleted. Raises `OutcomeUnknown`,
        which may be tried again."""
        ...

    async def begin(self, request: DeploymentRequest) -> Upload:
        """Start a deployment: which files must be sent. Visible to nobody.

        Raises `Rejected` (`too_many_files`, `file_too_large`, `quota_exceeded`, `invalid_request`), `OutcomeUnknown`, which
        may be tried again, and `Unsupported` for redirects, headers or a preview that the host does not know.
        """
        ...

    async def upload(self, request: UploadRequest) -> None:
        """Send a batch of missing files. Raises `Rejected` (`fingerprint_mismatch`, `file_too_large`, `upload_expired`),
        `OutcomeUnknown`, which may be tried again."""
        ...

    async def finish(self, request: DeploymentRequest, upload: str) -> RemoteDeployment:
        """Make the deployment out of the whole set.

        Raises `Rejected` (`missing_files`: begin anew; `upload_expired`, `invalid_request`), and `OutcomeUnknown`:
        `find_deployment` before any further try, since a second deployment may cost, and on some hosts goes live.
        """
        ...

    async def fetch_deployment(self, site: str, deployment: str) -> RemoteDeployment:
        """The deployment as it stands."""
        ...

    async def find_deployment(self, site: str, idempotency_key: str) -> RemoteDeployment | None:
        """The deployment made with this key, or None when there surely is none; `Unsupported` unless
        `capabilities.finds_deployments`."""
        ...

    async def list_deployments(self, site: str, *, cursor: str | None = None) -> DeploymentPage:
        """The deployments that the host still keeps."""
        ...

    async def activate(self, request: ActivationRequest) -> RemoteDeployment:
        """Point the site at the deployment, all at once: no visitor sees half of it. Raises `Rejected` (`not_ready`,
        `not_production`), `OutcomeUnknown`, which may be tried again."""
        ...

    async def roll_back(self, request: ActivationRequest) -> RemoteDeployment:
        """Point the site at an earlier deployment; `Unsupported` unless `capabilities.rollback`. Raises
        `Rejected(reason="not_found")` for one that the host no longer keeps, `OutcomeUnknown`, which may be tried again."""
        ...

    async def delete_deployment(self, site: str, deployment: str, *, idempotency_key: str) -> None:
        """Remove a deployment; one that is gone already counts as removed. Raises `Rejected(reason="active")` for what the
        site serves, `OutcomeUnknown`, which may be tried again."""
        ...

    async def add_domain(self, request: DomainRequest) -> RemoteDomain:
        """Serve the site under a domain, or answer how it stands when that was asked before; `Unsupported` unless
        `capabilities.domains`. Raises `Rejected` (`domain_taken`, `invalid_domain`, `quota_exceeded`), `OutcomeUnknown`, which
        may be tried again."""
        ...

    async def fetch_domain(self, site: str, domain: str) -> RemoteDomain:
        """The domain as it stands; a host that checks only when asked is asked to check. `Unsupported` unless
        `capabilities.domains`."""
        ...

    async def remove_domain(self, request: DomainRequest) -> None:
        """Serve the site no longer under the domain; one that is gone already counts as removed. `Unsupported` unless
        `capabilities.domains`. Raises `OutcomeUnknown`, which may be tried again."""
        ...

    async def purge_cache(self, request: PurgeRequest) -> None:
        """Drop cached copies; `Unsupported` unless `capabilities.purges`. Raises `OutcomeUnknown`, which may be tried again."""
        ...

    async def read_usage(self, request: UsageRequest) -> Sequence[DailyUsage]:
        """What each day used, by the meters of `capabilities.usage`, in order of days; `Unsupported` when that is empty."""
        ...
