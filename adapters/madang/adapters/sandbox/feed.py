"""The social network's own books: who connected, what is prepared, and what was posted."""

import base64
import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from madang.adapters.sandbox import messages
from madang.adapters.sandbox.chance import digest, identifier, share
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.messages import SentMessage
from madang.ports.errors import Rejected
from madang.ports.secret import Secret
from madang.ports.social import Post, PostMetrics, PublishedPost, SocialAccount, SocialGrant

ACCESS_SECONDS: Final = 7200.0
CODE_SECONDS: Final = 600.0
PREPARED_SECONDS: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the network; each refresh is a new `generation`, and an older generation's tokens are spent."""

    id: str
    handle: str
    generation: int
    revoked: bool
    expires_at: float

    def grant(self) -> SocialGrant:
        return SocialGrant(
            account=SocialAccount(self.id, self.handle, name=self.handle),
            access_token=Secret(f"sandbox-access:{self.id}:{self.generation}"),
            refresh_token=Secret(f"sandbox-refresh:{self.id}:{self.generation}"),
            expires_at=datetime.fromtimestamp(self.expires_at, UTC),
            scopes=frozenset({"read", "write"}),
        )


def give_code(connection: sqlite3.Connection, handle: str, challenge: str, redirect_uri: str) -> str:
    """The person agreed: a code that is good once, for ten minutes."""
    code = identifier("code", handle, challenge, redirect_uri, time.time())
    values = (code, challenge, redirect_uri, handle, time.time() + CODE_SECONDS)
    connection.execute(
        "INSERT INTO social_codes (code, challenge, redirect_uri, handle, expires_at) VALUES (?, ?, ?, ?, ?)", values
    )
    return code


def spend_code(connection: sqlite3.Connection, code: str, verifier: str, redirect_uri: str) -> Member:
    """Raises `Rejected(reason="invalid_code")` for one that is unknown, spent, old, or not of this verifier."""
    row = connection.execute("DELETE FROM social_codes WHERE code = ? RETURNING *", (code,)).fetchone()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if row is None or row["challenge"] != challenge or row["redirect_uri"] != redirect_uri or row["expires_at"] < time.time():
        raise rejected("the code is not valid", "invalid_code", "exchange_code")
    identity = identifier("acc", row["handle"])
    connection.execute(
        "INSERT INTO social_accounts (id, handle, generation, expires_at) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (id) DO UPDATE SET generation = generation + 1, revoked = 0, expires_at = excluded.expires_at",
        (identity, row["handle"], time.time() + ACCESS_SECONDS),
    )
    return _member(connection, identity, "exchange_code")


def refresh(connection: sqlite3.Connection, grant: SocialGrant) -> Member:
    """Raises `Rejected(reason="access_revoked")` for a refresh token that was used already."""
    member = _member(connection, grant.account.id, "refresh")
    expected = f"sandbox-refresh:{member.id}:{member.generation}"
    if member.revoked or grant.refresh_token is None or grant.refresh_token.reveal() != expected:
        raise rejected("the refresh token is spent or was withdrawn", "access_revoked", "refresh")
    connection.execute(
        "UPDATE social_accounts SET generation = generation + 1, expires_at = ? WHERE id = ?",
        (time.time() + ACCESS_SECONDS, member.id),
    )
    return _member(connection, member.id, "refresh")


def revoke(connection: sqlite3.Connection, account: str) -> None:
    connection.execute("UPDATE social_accounts SET revoked = 1 WHERE id = ?", (account,))


def require(connection: sqlite3.Connection, grant: SocialGrant, operation: str) -> Member:
    """The member whose access token this is. Raises `Rejected`: `access_revoked` or `access_expired`."""
    member = _member(connection, grant.account.id, operation)
    if member.revoked:
        raise rejected("the person withdrew the access", "access_revoked", operation)
    current = f"sandbox-access:{member.id}:{member.generation}"
    if grant.access_token.reveal() != current or member.expires_at < time.time():
        raise rejected("the access token has expired", "access_expired", operation)
    return member


def prepare(connection: sqlite3.Connection, account: str, key: str) -> tuple[str, float]:
    """A reference for `publish`, the same one for the same key, and when it ends."""
    reference = identifier("prep", account, key)
    values = (reference, account, time.time() + PREPARED_SECONDS)
    connection.execute("INSERT OR IGNORE INTO social_preparations (reference, account, expires_at) VALUES (?, ?, ?)", values)
    return reference, preparation(connection, reference)["expires_at"]


def preparation(connection: sqlite3.Connection, reference: str, operation: str = "fetch_preparation") -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM social_preparations WHERE reference = ?", (reference,)
    ).fetchone()
    if row is None:
        raise rejected("nothing was prepared under this reference", "not_found", operation)
    return row


def publish(connection: sqlite3.Connection, seed: int, member: Member, post: Post, reference: str, key: str) -> SentMessage:
    """Once for each key and each preparation. Raises `Rejected`: `not_found`, `preparation_expired`."""
    prepared = preparation(connection, reference, "publish")
    if prepared["post"]:
        return get(connection, prepared["post"])
    if prepared["expires_at"] < time.time() or prepared["account"] != member.id:
        raise rejected("it must be prepared anew", "preparation_expired", "publish")
    if post.reply_to is not None:
        get(connection, post.reply_to, "publish")
    details = {"account": member.id, "replyTo": post.reply_to, "quote": post.quote, "link": post.link, "media": len(post.media)}
    identity = messages.message_id("social", seed, key)
    sent = messages.send(connection, SentMessage(identity, key, "social", member.handle, post.text, None, details, "published"))
    connection.execute("UPDATE social_preparations SET post = ? WHERE reference = ?", (sent.id, reference))
    return get(connection, sent.id)


def get(connection: sqlite3.Connection, identity: str, operation: str = "fetch") -> SentMessage:
    """Raises `Rejected(reason="not_found")` for a post that never was, or was taken down."""
    found = messages.get(connection, "social", identity)
    if found is None or found.status != "published":
        raise rejected("no post has this id", "not_found", operation)
    return found


def find(connection: sqlite3.Connection, key: str) -> SentMessage | None:
    found = messages.find(connection, "social", key)
    return found if found and found.status == "published" else None


def take_down(connection: sqlite3.Connection, account: str, identity: str) -> None:
    """One that is gone already counts as taken down; another account's stays."""
    found = messages.get(connection, "social", identity)
    if found is not None and found.details["account"] == account:
        messages.set_status(connection, identity, "deleted")


def of_account(connection: sqlite3.Connection, account: str) -> Sequence[SentMessage]:
    """The newest first."""
    return [
        message
        for message in messages.recent(connection, "social", 10_000)
        if message.details["account"] == account and message.status == "published"
    ]


def published(message: SentMessage, base_url: str) -> PublishedPost:
    when = datetime.fromtimestamp(message.sent_at, UTC)
    return PublishedPost(message.id, f"{base_url}/sandbox/social#{message.id}", message.text, when, message.details["replyTo"])


def metrics(message: SentMessage, seed: int) -> PostMetrics:
    """Numbers that grow with the hours since publication, quickly at first, and always the same at the same moment."""
    hours = max(0.0, time.time() - message.sent_at) / 3600
    views = int((200 + 4000 * share(seed, "views", message.id)) * hours / (hours + 6))

    def count(name: str, rate: float) -> int:
        return int(views * rate * (0.5 + share(seed, name, message.id)))

    return PostMetrics(
        message.id,
        datetime.now(UTC),
        views=views,
        likes=count("likes", 0.06),
        replies=count("replies", 0.01),
        reposts=count("reposts", 0.012),
        quotes=count("quotes", 0.003),
        link_clicks=count("link_clicks", 0.02),
    )


def followers(seed: int, handle: str) -> int:
    return int(digest(seed, "followers", handle)[:4], 16)


def _member(connection: sqlite3.Connection, identity: str, operation: str) -> Member:
    row = connection.execute("SELECT * FROM social_accounts WHERE id = ?", (identity,)).fetchone()
    if row is None:
        raise rejected("this account never connected", "access_revoked", operation)
    return Member(row["id"], row["handle"], row["generation"], bool(row["revoked"]), row["expires_at"])


def rejected(message: str, reason: str, operation: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=f"social.{operation}")


def member_of_handle(connection: sqlite3.Connection, handle: str) -> Member:
    row = connection.execute("SELECT id FROM social_accounts WHERE handle = ?", (handle,)).fetchone()
    if row is None:
        raise rejected("no account has this handle", "not_found", "read_profile")
    return _member(connection, row["id"], "read_profile")


def cursor_of(offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps(offset).encode()).decode()


def offset_of(cursor: str | None) -> int:
    try:
        return int(json.loads(base64.urlsafe_b64decode(cursor))) if cursor else 0
    except ValueError:
        raise rejected("the cursor is not one of ours", "invalid_request", "list_posts") from None
