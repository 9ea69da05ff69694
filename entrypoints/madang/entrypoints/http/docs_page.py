"""`/docs`: Swagger UI from our own files, so that it works without the network and under a strict policy."""

import asyncio
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import litestar_offline_docs
from litestar import Router, get
from litestar.datastructures import CacheControlHeader
from litestar.file_system import BaseLocalFileSystem
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp, FileInfo, PathType, Scope

from madang.entrypoints.http.answers import HTML, Answer, redirect
from madang.entrypoints.http.exchange import exchange_of

STATIC: Final = Path(str(files(__package__).joinpath("pages", "static")))
_SWAGGER: Final = Path(litestar_offline_docs.__file__).parent / "static"
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    b"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets style attributes; scripts come from files only."""


class _Folder(BaseLocalFileSystem):
    """A name that no file can have, too long or with a NUL, is the name of a file that is not there."""

    async def info(self, path: PathType, **more: Any) -> FileInfo:
        try:
            return await super().info(path, **more)
        except (OSError, ValueError):
            raise FileNotFoundError from None


def docs_handlers(document: Callable[[], bytes]) -> list[Any]:
    """The page, the document, and their files.

    The document is written for the first who asks, in a thread: most processes are never asked, and writing it takes megabytes
    that a process does not give back.
    """
    page = STATIC.joinpath("docs.html").read_bytes()

    @get("/openapi.json", include_in_schema=False)
    async def openapi_json() -> ASGIApp:
        return Answer(200, await asyncio.to_thread(document))

    @get("/docs", include_in_schema=False)
    async def docs(scope: Scope) -> ASGIApp:
        exchange_of(scope).content_security_policy = _POLICY
        return Answer(200, page, HTML)

    @get("/", include_in_schema=False)
    async def front_door() -> ASGIApp:
        return redirect("/docs")

    return [front_door, openapi_json, docs, _files("/docs/files", _SWAGGER), _files("/assets", STATIC)]


def _files(path: str, directory: Path) -> Router:
    cache = CacheControlHeader(public=True, max_age=3600)
    return create_static_files_router(
        path=path,
        directories=[directory],
        file_system=_Folder(),
        name=path,
        cache_control=cache,
        include_in_schema=False,
    )
