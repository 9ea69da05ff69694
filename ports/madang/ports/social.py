"""Port: a social platform: connect an account, publish posts, find and delete them, read their metrics.

Publishing has two steps on every platform, so that the one call that cannot be undone stands alone:

1. `prepare` does what nobody sees yet (uploads pictures, makes the platform's draft or container) and may be repeated at will;
   `fetch_preparation` says when a platform that needs time is ready.
2. `publish` makes one post visible. When its outcome is unknown, `find` comes before any further try.

A thread of several posts is published post by post: each names its predecessor's id in `reply_to`, and the caller stores each
id before it goes on, so that a crash resumes in the middle of the thread.

Every call for an account takes its `SocialGrant`. A grant that the person has withdrawn, or that has run out for good, is
`Rejected(reason="access_revoked")`: the account must be connected again. An access token that only expired is
`Rejected(reason="access_expired")`: refresh it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from madang.ports.money import Cost
from madang.ports.provider import Provider
from madang.ports.secret import Secret


@dataclass(frozen=True, slots=True)
class SocialAccount:
    """An account on the platform. `id` is the platform's stable one, always a string; `handle` comes without `@` and may
    change."""

    id: str
    handle: str
    name: str = field(default="", repr=False)
    picture_url: str | None = field(default=None, repr=False)
    verified: bool = False


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """Start connecting an account. `state` and `code_challenge` (S256 of RFC 7636) are made and kept by the caller.

    `scopes` empty means all that this port's methods need.
    """

    redirect_uri: str
    state: str
    code_challenge: str
    scopes: Sequence[str] = ()
    locale: str = "ko"


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """Finish connecting: the code that the browser brought back (it may live 30 seconds only), and the verifier of the
    challenge.

    The code is taken as it came in the query: an adapter strips what its platform appends to it.
    """

    code: Secret
    code_verifier: Secret
    redirect_uri: str
    timeout: float = 15.0


@dataclass(frozen=True, slots=True)
class SocialGrant:
    """What the person allowed us. Stored encrypted by the caller.

    `expires_at` is the access token's end. It may be refreshed from `refreshable_at` (None: at once) until `refresh_until`
    (None: not known). A platform without refresh tokens of their own refreshes by the access token; then `refresh_token` is
    None.
    """

    account: SocialAccount
    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    refreshable_at: datetime | None = None
    refresh_until: datetime | None = None
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SocialMedia:
    """A picture or video of a post. `data` for platforms that take an upload, `url` (public, no redirect, alive for an hour)
    for those that download it themselves (`capabilities.media.by_url`); a caller that does not know gives both."""

    media_type: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)
    alt_text: str | None = None


class ReplyAudience(StrEnum):
    """Who may answer. A platform that lacks one says so by `capabilities.reply_audiences`."""

    EVERYONE = "everyone"
    FOLLOWED = "followed"
    MENTIONED = "mentioned"
    FOLLOWERS = "followers"


@dataclass(frozen=True, slots=True)
class Post:
    """One post as it shall appear. `reply_to` and `quote` are the platform's post ids. `extra` is passed to the platform as it
    is."""

    text: str
    media: Sequence[SocialMedia] = ()
    reply_to: str | None = None
    quote: str | None = None
    link: str | None = None
    topic: str | None = None
    audience: ReplyAudience = ReplyAudience.EVERYONE
    made_with_ai: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreparePost:
    """Make ready what `post` needs. Doing it twice wastes an upload and publishes nothing. `timeout` is in seconds."""

    grant: SocialGrant
    post: Post
    idempotency_key: str
    timeout: float = 120.0


class PreparationStatus(StrEnum):
    """A remote status that an adapter does not know is `PENDING`, never ready. `PUBLISHED`: it has been used already."""

    PENDING = "pending"
    READY = "ready"
    PUBLISHED = "published"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Preparation:
    """A post made ready. `reference` is what `publish`, `fetch_preparation` and `find` take: opaque, to be stored, no secret
    in it.

    `check_after` is in seconds, for one that is pending; after `expires_at` it must be prepared anew. `error` says why it
    failed.
    """

    reference: str
    status: PreparationStatus
    check_after: float | None = None
    expires_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PublishPost:
    """Make `post` visible, from a preparation that is `READY`. `timeout` is in seconds."""

    grant: SocialGrant
    post: Post
    preparation: str
    idempotency_key: str
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class PublishedPost:
    """A post as the platform has it. `text` may differ from what was sent (shortened links); `url` is where people see it."""

    id: str
    url: str | None = None
    text: str | None = None
    published_at: datetime | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class FindPost:
    """Was this post published? Asked after an unknown outcome: `attempted_at` is when the lost `publish` began (our clock).

    The platform is searched by `idempotency_key` where it keeps one, by what became of the preparation, else by the account's
    own posts since then with the same text and the same predecessor.
    """

    grant: SocialGrant
    post: Post
    preparation: str
    idempotency_key: str
    attempted_at: datetime
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class DeletePost:
    """Take a post down. `timeout` is in seconds."""

    grant: SocialGrant
    post_id: str
    idempotency_key: str
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class PostMetrics:
    """Totals since publication at `read_at`; None where the platform does not tell. `other` holds its further numbers by its
    names."""

    post_id: str
    read_at: datetime
    views: int | None = None
    likes: int | None = None
    replies: int | None = None
    reposts: int | None = None
    quotes: int | None = None
    shares: int | None = None
    bookmarks: int | None = None
    link_clicks: int | None = None
    profile_clicks: int | None = None
    other: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadMetrics:
    """Metrics of up to `capabilities.max_metrics_batch` of the account's own posts."""

    grant: SocialGrant
    post_ids: Sequence[str]
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class SocialProfile:
    """Public numbers of an account, ours or another's, at `read_at`; None where the platform does not tell."""

    account: SocialAccount
    read_at: datetime
    followers: int | None = None
    following: int | None = None
    posts: int | None = None


@dataclass(frozen=True, slots=True)
class ListPosts:
    """An account's posts, the newest first. Without `account_id` the grant's own account."""

    grant: SocialGrant
    account_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int = 100
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class ListedPost:
    """A post with the numbers that came along."""

    post: PublishedPost
    metrics: PostMetrics | None = None


@dataclass(frozen=True, slots=True)
class PostPage:
    """One page of a listing; `cursor` is None on the last."""

    posts: Sequence[ListedPost]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PostingQuota:
    """How much the account may still publish: `total` posts in a window of `window`, `used` of them gone; `resets_at` if it is
    known."""

    total: int
    used: int
    window: timedelta
    resets_at: datetime | None = None


class EmojiCounting(StrEnum):
    """How an emoji sequence (one picture to the reader, several code points) counts.

    `CODE_POINTS`: as the code points that it is made of; `FIXED`: `emoji_weight` for each sequence; `UTF8_BYTES`: one unit a
    byte.
    """

    CODE_POINTS = "code_points"
    FIXED = "fixed"
    UTF8_BYTES = "utf8_bytes"


@dataclass(frozen=True, slots=True)
class WeightRange:
    """Code points from `first` to `last`, both included, weigh `weight` each."""

    first: int
    last: int
    weight: int


@dataclass(frozen=True, slots=True)
class LengthRule:
    """How the platform measures a text, as data: a text may be posted when its length is at most `max_length`.

    The text is brought to NFC. Each address in it counts `url_length` (None: like its characters), each emoji sequence as
    `emoji` says, every other code point its range's weight or `default_weight`. The sum, divided by `scale` and rounded down,
    is the length. X is
    `LengthRule(280, default_weight=200, scale=100, ranges=(WeightRange(0, 4351, 100), …), url_length=23, emoji=FIXED,
    emoji_weight=200)`: Hangul weighs two; `url_length` is in units of length, weights are in units of `1 / scale`.
    """

    max_length: int
    default_weight: int = 1
    scale: int = 1
    ranges: Sequence[WeightRange] = ()
    url_length: int | None = None
    emoji: EmojiCounting = EmojiCounting.CODE_POINTS
    emoji_weight: int = 1

    def weight_of(self, character: str) -> int:
        """Weight of one code point that belongs to no address and no emoji, in units of `1 / scale`."""
        point = ord(character)
        return next((each.weight for each in self.ranges if each.first <= point <= each.last), self.default_weight)


@dataclass(frozen=True, slots=True)
class MediaRules:
    """What may be attached. Sizes in bytes by media type; a type that is not listed is refused.

    `by_url`: the platform downloads media from a public address itself. `max_pixels` counts width × height; `aspect_ratios`
    are the least and the greatest width ÷ height; `max_duration` is a video's.
    """

    max_count: int = 4
    max_bytes: Mapping[str, int] = field(default_factory=dict)
    by_url: bool = False
    mixes_kinds: bool = False
    alt_text_length: int = 1000
    min_width: int = 1
    max_width: int | None = None
    max_pixels: int | None = None
    aspect_ratios: tuple[float, float] | None = None
    max_duration: timedelta | None = None


@dataclass(frozen=True, slots=True)
class SocialCapabilities:
    """What the platform can and its limits, so that a post is checked before anything is sent.

    `rotates_refresh_tokens`: a refresh token is spent by its use, so two processes must never use the same one.
    `refuses_duplicates`: identical text is refused by the platform itself. `finds_posts`: `find` works. `post_quota` and
    `reply_quota` are posts in a window. `cost_per_post` is what one published post costs us. `metrics` names the fields of
    `PostMetrics` that it fills.
    """

    length: LengthRule
    media: MediaRules
    threads: bool = True
    quotes: bool = True
    deletes: bool = True
    finds_posts: bool = True
    revokes: bool = True
    idempotent: bool = False
    refuses_duplicates: bool = False
    rotates_refresh_tokens: bool = False
    public_profiles: bool = False
    reads_quota: bool = False
    reply_audiences: frozenset[ReplyAudience] = frozenset({ReplyAudience.EVERYONE})
    metrics: frozenset[str] = frozenset()
    metrics_window: timedelta | None = None
    max_metrics_batch: int = 100
    post_quota: tuple[int, timedelta] | None = None
    reply_quota: tuple[int, timedelta] | None = None
    cost_per_post: Cost | None = None


class SocialPlatform(Provider, Protocol):
    """A social platform. All methods may raise `Unavailable`, `RateLimited`, `Misconfigured` and `Rejected` as the module
    says."""

    @property
    def capabilities(self) -> SocialCapabilities: ...

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Where to send the person's browser. Nothing is asked of the platform. Raises `Misconfigured`."""
        ...

    async def exchange_code(self, request: CodeExchange) -> SocialGrant:
        """Spend the code: a grant as long-lived as the platform gives, with its account. Raises
        `Rejected(reason="invalid_code")`, and `OutcomeUnknown` when the answer is lost: the code is gone, and the person
        starts again."""
        ...

    async def refresh(self, grant: SocialGrant) -> SocialGrant:
        """A grant with a later end. To be called under a lock where `capabilities.rotates_refresh_tokens`.

        Raises `Rejected(reason="access_revoked")` when the person must connect again, `Rejected(reason="too_early")` before
        `grant.refreshable_at`, and `OutcomeUnknown` when the answer is lost: a rotated token may be spent, and only a further
        try tells. A momentary failure is never `access_revoked`.
        """
        ...

    async def revoke(self, grant: SocialGrant) -> None:
        """Give the grant back; one that is gone already counts as given back. `Unsupported` unless `capabilities.revokes`."""
        ...

    async def prepare(self, request: PreparePost) -> Preparation:
        """Make a post ready, visible to nobody. A platform that needs no preparing answers `READY` at once.

        Raises `Rejected` (`too_long`, `invalid_media`, `content_policy`, `duplicate`, `not_found` for a predecessor that is
        gone, `invalid_request`), and `Unsupported` for what the capabilities exclude.
        """
        ...

    async def fetch_preparation(self, grant: SocialGrant, reference: str) -> Preparation:
        """The preparation as it stands. Raises `Rejected(reason="not_found")` for a reference that the platform does not
        know."""
        ...

    async def publish(self, request: PublishPost) -> PublishedPost:
        """Make one post visible, by one call that cannot be undone.

        Raises `Rejected` (`too_long`, `content_policy`, `duplicate`, `quota_exceeded`, `not_ready`, `preparation_expired`,
        `not_found`, `access_expired`, `access_revoked`), and `OutcomeUnknown` whenever the request may have reached the
        platform and its answer did not reach us.
        """
        ...

    async def find(self, request: FindPost) -> PublishedPost | None:
        """The post of a `publish` whose outcome is unknown, or None when there surely is none.

        `OutcomeUnknown` when the platform cannot say yet (its listing lags): ask again later. `Unsupported` unless
        `capabilities.finds_posts`: then a person decides.
        """
        ...

    async def fetch(self, grant: SocialGrant, post_id: str) -> PublishedPost:
        """The post as it stands. Raises `Rejected(reason="not_found")`."""
        ...

    async def delete(self, request: DeletePost) -> None:
        """Take a post down; one that is gone already counts as taken down. `Unsupported` unless `capabilities.deletes`. Raises
        `OutcomeUnknown`, which may be tried again."""
        ...

    async def read_metrics(self, request: ReadMetrics) -> Mapping[str, PostMetrics]:
        """Metrics by post id. A post that is gone is left out; a number that the platform withholds is None."""
        ...

    async def read_profile(self, grant: SocialGrant, handle: str | None = None) -> SocialProfile:
        """The grant's own account, or with `handle` another's public numbers; `Unsupported` for those unless
        `capabilities.public_profiles`. Raises `Rejected(reason="not_found")`."""
        ...

    async def list_posts(self, request: ListPosts) -> PostPage:
        """An account's posts; `Unsupported` for another account unless `capabilities.public_profiles`."""
        ...

    async def read_quota(self, grant: SocialGrant) -> PostingQuota:
        """How much may still be published; `Unsupported` unless `capabilities.reads_quota`."""
        ...
