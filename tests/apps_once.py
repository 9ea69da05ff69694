"""Applications on routes that Litestar registered for an earlier one of the same test runner.

To register them all is most of what a test's deployment costs. Everything of ours is composed anew each time and put in the
place of what the earlier application had: its handlers, refusals, lifespans and state.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from madang.entrypoints.http import app as composition
from madang.entrypoints.http.composition import HttpContainer

_OURS = ("exception_handlers", "lifespan", "state")


@dataclass(eq=False)
class _Parts:
    """What Litestar was given once for all, and asks at each call."""

    refuse: Callable[..., Any]
    lifespans: Sequence[Callable[[Litestar], Any]]

    def refused(self, request: Any, error: Exception) -> Any:
        return self.refuse(request, error)

    @asynccontextmanager
    async def living(self, app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as begun:
            for begin in self.lifespans:
                await begun.enter_async_context(begin(app))
            yield


class _Registered:
    def __init__(self, handlers: Sequence[Any], given: dict[str, Any]) -> None:
        self._parts = _Parts(given["exception_handlers"][Exception], given["lifespan"])
        ours = {"exception_handlers": {Exception: self._parts.refused}, "lifespan": [self._parts.living]}
        self.app = Litestar(handlers, **{**given, **ours})
        self._asgi_handler = self.app.asgi_handler
        routes = [route for route in self.app.routes if isinstance(route, HTTPRoute)]
        self._registered = {
            (route.path, method): kept for route in routes for method, (kept, _) in route.route_handler_map.items()
        }

    def become(self, handlers: Sequence[Any], given: dict[str, Any]) -> None:
        self._parts.refuse, self._parts.lifespans = given["exception_handlers"][Exception], given["lifespan"]
        self.app.state, self.app.asgi_handler = given["state"], self._asgi_handler
        for handler in handlers:
            for path, method in _places(handler):
                self._registered[path, method]._fn = handler.fn


_unused: dict[Any, list[_Registered]] = {}
"""By what must not differ: the routes with the code that they run, and the other settings of Litestar."""


@contextmanager
def application(container: HttpContainer) -> Iterator[Litestar]:
    """What `create_app` composes around this container, until the end of the block."""
    taken: list[tuple[Any, _Registered]] = []

    def compose(handlers: Sequence[Any], **given: Any) -> Litestar:
        others = {name: value for name, value in given.items() if name not in _OURS}
        key = (tuple(map(_kind, handlers)), repr(others))
        if unused := _unused.setdefault(key, []):
            registered = unused.pop()
            registered.become(handlers, given)
        else:
            registered = _Registered(handlers, given)
        taken.append((key, registered))
        return registered.app

    composition.Litestar = compose  # type: ignore[assignment, misc]
    try:
        app = composition.create_app(container)
    finally:
        composition.Litestar = Litestar  # type: ignore[misc]
    try:
        yield app
    finally:
        for key, registered in taken:
            _unused[key].append(registered)


def _places(handler: Any) -> Sequence[tuple[str, str]]:
    """None for a router: those of files are the same for every container."""
    if not isinstance(handler, HTTPRouteHandler):
        return []
    return sorted((path, str(method)) for path in handler.paths for method in handler.http_methods)


def _kind(handler: Any) -> Any:
    places = _places(handler)
    return (*places, handler.fn.__code__) if places else (type(handler), handler.path)
