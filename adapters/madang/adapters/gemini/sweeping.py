"""The job that deletes pictures which have waited long enough."""

import asyncio
from collections.abc import Awaitable, Callable

from madang.adapters.gemini.kept import KeptPredictions
from madang.adapters.gemini.settings import GeminiSettings
from madang.ports.context import ProviderContext


def sweep(settings: GeminiSettings, context: ProviderContext) -> Callable[[], Awaitable[None]]:
    """Every start of a prediction sweeps as well: the job is for machines where none is started any more."""
    kept = KeptPredictions(context.data_dir, settings.keep_pictures)

    async def forget() -> None:
        await asyncio.to_thread(kept.forget_old)

    return forget
