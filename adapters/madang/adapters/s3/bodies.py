"""A body in parts of one size, however it comes: never more of it in memory than the part that is sent and the one after."""

from collections.abc import AsyncGenerator, AsyncIterable


async def parts_of(body: bytes | AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """At least one part, which may be empty; all but the last have `size` bytes."""
    if isinstance(body, bytes):
        for start in range(0, max(1, len(body)), size):
            yield body[start : start + size]
        return
    waiting, given = bytearray(), False
    async for chunk in body:
        waiting += chunk
        while len(waiting) >= size:
            part = bytes(waiting[:size])
            del waiting[:size]
            given = True
            yield part
    if waiting or not given:
        yield bytes(waiting)
