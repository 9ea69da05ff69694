"""The books of the network in memory: who connected, what is prepared, and what is up."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from madang.adapters.memory.provider import rejected
from madang.ports.secret import Secret
from madang.ports.social import Post, PublishedPost, SocialAccount, SocialGrant

ACCESS: Final = timedelta(hours=2)


@dataclass(slots=True)
class Member:
    """An account; each refresh is a new `generation`, and an older generation's tokens are spent."""

    account: SocialAccount
    generation: int = 0
    revoked: bool = False

    @property
    def id(self) -> str:
        return self.account.id

    def grant(self) -> SocialGrant:
        return SocialGrant(
            self.account,
            Secret(f"memory-access:{self.id}:{self.generation}"),
            Secret(f"memory-refresh:{self.id}:{self.generation}"),
            datetime.now(UTC) + ACCESS,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """A post that is up, whose it is, and since when."""

    author: str
    at: datetime
    post: PublishedPost


@dataclass(slots=True)
class Feed:
    """`prepared` has the id of the post that a preparation became, None while it is none."""

    prepared: dict[str, str | None] = field(default_factory=dict)
    _members: dict[str, Member] = field(default_factory=dict)
    _codes: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    _written: dict[str, Written] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def give_code(self, handle: str, challenge: str, redirect_uri: str) -> str:
        code = f"code-{next(self._numbers)}"
        self._codes[code] = (handle.lower(), challenge, redirect_uri)
        return code

    def spend_code(self, code: str, challenge: str, redirect_uri: str) -> Member:
        """Raises `Rejected(reason="invalid_code")` for one that is unknown, spent, or not of this verifier."""
        handle, wanted, place = self._codes.pop(code, ("", "", ""))
        if not handle or (wanted, place) != (challenge, redirect_uri):
            raise rejected("the code is not valid", "invalid_code", "exchange_code")
        member = self._members.setdefault(f"account-{handle}", Member(SocialAccount(f"account-{handle}", handle)))
        member.generation, member.revoked = member.generation + 1, False
        return member

    def refresh(self, grant: SocialGrant) -> Member:
        """Raises `Rejected(reason="access_revoked")` for a refresh token that was used already."""
        member = self._members.get(grant.account.id)
        if member is None or member.revoked or grant.refresh_token != member.grant().refresh_token:
            raise rejected("the refresh token is spent or was withdrawn", "access_revoked", "refresh")
        member.generation += 1
        return member

    def revoke(self, account: str) -> None:
        if account in self._members:
            self._members[account].revoked = True

    def member_of(self, grant: SocialGrant, operation: str) -> Member:
        """Whose access token this is. Raises `Rejected`: `access_revoked` or `access_expired`."""
        member = self._members.get(grant.account.id)
        if member is None or member.revoked:
            raise rejected("the person withdrew the access", "access_revoked", operation)
        if grant.access_token != member.grant().access_token:
            raise rejected("the access token has expired", "access_expired", operation)
        return member

    def named(self, handle: str, operation: str) -> Member:
        found = next((each for each in self._members.values() if each.account.handle == handle), None)
        if found is None:
            raise rejected("no account has this handle", "not_found", operation)
        return found

    def preparation(self, reference: str, operation: str) -> str | None:
        if reference not in self.prepared:
            raise rejected("nothing was prepared under this reference", "not_found", operation)
        return self.prepared[reference]

    def write(self, member: Member, post: Post, identity: str) -> str:
        if post.reply_to is not None:
            self.get(post.reply_to, "publish")
        now = datetime.now(UTC)
        published = PublishedPost(identity, f"memory://posts/{identity}", post.text, now, post.reply_to)
        self._written[identity] = Written(member.id, now, published)
        return identity

    def get(self, identity: str, operation: str) -> Written:
        if identity not in self._written:
            raise rejected("no post has this id", "not_found", operation)
        return self._written[identity]

    def take_down(self, member: Member, identity: str) -> None:
        """One that is gone already counts as taken down; another account's stays."""
        if identity in self._written and self._written[identity].author == member.id:
            del self._written[identity]

    def written(self, account: str | None = None) -> Sequence[Written]:
        """The newest first."""
        return [each for each in reversed(self._written.values()) if account in (None, each.author)]
