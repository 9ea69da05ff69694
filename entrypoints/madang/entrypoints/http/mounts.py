"""Plugins' own applications at their paths, behind our edge and beside our routes."""

from collections.abc import Sequence
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from madang.entrypoints.http.composition import Mount


class Mounts:
    """Passes a request on by its first path segments, else to `otherwise`.

    As ASGI has it, `path` stays whole and `root_path` names the mount. Litestar's own mounts cut the path and put a slash
    at its end, which breaks applications that serve files. A plugin's application gets no lifespan events, and a `state`
    of its own.
    """

    def __init__(self, mounts: Sequence[Mount], otherwise: ASGIApp) -> None:
        self._mounts = tuple((mount.path.rstrip("/"), mount.app) for mount in mounts)
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        for prefix, app in self._mounts:
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/"):
                scope["path_template"] = prefix
                inner: dict[str, Any] = {**scope, "root_path": prefix, "state": {}}
                await app(inner, receive, send)
                return
        await self._otherwise(scope, receive, send)
