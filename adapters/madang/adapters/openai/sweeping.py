"""The job that deletes pictures which have waited long enough."""

import asyncio
from collections.abc import Awaitable, Callable

from madang.adapters.openai.kept import FOLDER, KeptPictures
from madang.adapters.openai.settings import OpenAISettings
from madang.ports.context import ProviderContext


def sweep(settings: OpenAISettings, context: ProviderContext) -> Callable[[], Awaitable[None]]:
    """Every start of a prediction sweeps as well: the job is for machines where none is started any more."""
    kept = KeptPictures(context.data_dir / FOLDER, settings.keep_pictures)

    async def forget() -> None:
        await asyncio.to_thread(kept.forget_old)

    return forget
