"""The deployment's storage, with something happening in the middle of its calls."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from deployment import Deployment
from madang.core.files.arrivals import Arrivals
from madang.core.files.cleaning import Cleaning
from madang.core.files.service import Allowance, FileService
from madang.core.kernel.clock import Clock
from madang.ports.storage import DeleteReport, ObjectInfo, ObjectPage, PutObject, StorageCapabilities

Hook = Callable[[], Awaitable[None]]


class HeldStorage:
    """Everything else is the real one's."""

    def __init__(self, real: Any, **capabilities: bool) -> None:
        self._real = real
        self._changes: dict[str, Any] = dict(capabilities)
        self.before_put: Hook | None = None
        self.after_put: Hook | None = None
        self.before_delete: Hook | None = None
        self.before_list: Hook | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @property
    def capabilities(self) -> StorageCapabilities:
        return replace(self._real.capabilities, **self._changes)

    async def put(self, request: PutObject) -> ObjectInfo:
        if self.before_put is not None:
            await self.before_put()
        stored: ObjectInfo = await self._real.put(request)
        if self.after_put is not None:
            await self.after_put()
        return stored

    async def list(self, prefix: str, *, cursor: str | None = None) -> ObjectPage:
        if self.before_list is not None:
            await self.before_list()
        page: ObjectPage = await self._real.list(prefix, cursor=cursor)
        return page

    async def delete_many(self, keys: Sequence[str]) -> DeleteReport:
        if self.before_delete is not None:
            await self.before_delete()
        report: DeleteReport = await self._real.delete_many(keys)
        return report


class Held:
    """The use cases around such a storage."""

    def __init__(self, deployment: Deployment, **capabilities: bool) -> None:
        container = deployment.container
        self._container = container
        self.object_storage = HeldStorage(container.providers.storage(), **capabilities)
        arrivals: Any = container.files._arrivals
        self.files = FileService(
            container.units,
            self,  # type: ignore[arg-type]
            Arrivals(arrivals._spool, arrivals._types, arrivals._pictures, self),  # type: ignore[arg-type]
            container.cipher,
            container.audit_trail,
            container.clock,
            Allowance(1024**3, 100),
        )

    def storage(self) -> HeldStorage:
        return self.object_storage

    def cleaning(self, clock: Clock | None = None) -> Cleaning:
        return Cleaning(self, clock or self._container.clock)  # type: ignore[arg-type]
