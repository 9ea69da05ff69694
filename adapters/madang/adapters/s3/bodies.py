"""A body in parts of one size, however it comes: never more of it in memory than the part that is sent and the one after."""

from collections.abc import AsyncGenerator, AsyncIterable


async def parts_of(body: bytes | AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """All but the last have `size` bytes, and no part is empty: an empty body has none."""
    if isinstance(body, bytes):
        for start in range(0, len(body), size):
            yield body[start : start + size]
        return
    waiting = bytearray()
    async for chunk in body:
        waiting += chunk
        while len(waiting) >= size:
            part = bytes(waiting[:size])
            del waiting[:size]
            yield part
    if waiting:
        yield bytes(waiting)
