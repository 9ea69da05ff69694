"""Plugins' own applications at their paths, behind our edge and beside our routes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from madang.entrypoints.http.composition import Mount


@dataclass(frozen=True, slots=True, eq=False)
class MountedApp:
    """`prefix` has no slash at its end; `state` is what the application puts there when it starts."""

    prefix: str
    app: Callable[..., Awaitable[None]]
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, mount: Mount) -> "MountedApp":
        return cls(mount.path.rstrip("/"), mount.app)


class Mounts:
    """Passes a request on by its first path segments, else to `otherwise`.

    As ASGI has it, `path` stays whole and `root_path` names the mount. Litestar's own mounts cut the path and put a slash
    at its end, which breaks applications that serve files. Each request gets a shallow copy of its application's own state.
    """

    def __init__(self, mounted: Sequence[MountedApp], otherwise: ASGIApp) -> None:
        self._mounted = mounted
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        for mounted in self._mounted:
            prefix = mounted.prefix
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/"):
                scope["path_template"] = prefix
                inner: dict[str, Any] = {**scope, "root_path": prefix, "state": dict(mounted.state)}
                await mounted.app(inner, receive, send)
                return
        await self._otherwise(scope, receive, send)
