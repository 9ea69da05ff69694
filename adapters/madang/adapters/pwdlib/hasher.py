"""`PasswordHasher`: Argon2id for what we hash, bcrypt for what others hashed before."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from madang.core.identity.passwords import Verdict, normalised

if TYPE_CHECKING:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

T = TypeVar("T")

MEMORY_KIB: Final = 12_288
PASSES: Final = 3
LANES: Final = 1
"""Of the sets that OWASP's Password Storage Cheat Sheet holds equal: memory is what an API process has least of."""
THREADS: Final = 2
"""How many are hashed at once in a process: each takes `MEMORY_KIB`."""
_BCRYPT_BYTES: Final = 72
_NOBODYS: Final = "nobody's password"


class PwdlibHasher:
    """What we hash is the NFKC form. Systems with bcrypt hashed what was typed, in UTF-8, and no more than its first 72 bytes
    counted: their hashes are verified like that, and replaced by ours at the first sign-in. The library is loaded with the
    first password: a worker never sees one."""

    def __init__(self, *, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._dummy: str | None = None

    @cached_property
    def _argon2(self) -> "Argon2Hasher":
        from pwdlib.hashers.argon2 import Argon2Hasher

        return Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)

    @cached_property
    def _any(self) -> "PasswordHash":
        from pwdlib import PasswordHash
        from pwdlib.hashers.bcrypt import BcryptHasher

        return PasswordHash((self._argon2, BcryptHasher()))

    async def hash(self, password: str) -> str:
        return await self._apart(lambda: self._argon2.hash(normalised(password)))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        return await self._apart(lambda: self._verify(password, stored))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, stored: str | None) -> Verdict:
        if stored is None:
            self._argon2.verify(normalised(password), self._nobodys_hash())
            return Verdict(False)
        if not any(self._matches(form, stored) for form in self._forms(password, stored)):
            return Verdict(False)
        current = self._argon2.identify(stored) and not self._argon2.check_needs_rehash(stored)
        return Verdict(True, None if current else self._argon2.hash(normalised(password)))

    def _forms(self, password: str, stored: str) -> Iterator[bytes]:
        plain = normalised(password)
        if self._argon2.identify(stored):
            yield plain.encode()
        else:
            yield from dict.fromkeys(form.encode()[:_BCRYPT_BYTES] for form in (password, plain))

    def _matches(self, password: bytes, stored: str) -> bool:
        """A hash of a kind that nobody knows here matches nothing: its owner can have a link mailed."""
        from pwdlib.exceptions import UnknownHashError

        try:
            return self._any.verify(password, stored)
        except (UnknownHashError, ValueError):
            return False

    def _nobodys_hash(self) -> str:
        if self._dummy is None:
            self._dummy = self._argon2.hash(_NOBODYS)
        return self._dummy

    async def _apart(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
