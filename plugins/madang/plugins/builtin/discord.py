"""Messages to a Discord channel."""

from collections.abc import Callable

from madang.adapters.discord import capabilities
from madang.adapters.discord.settings import DiscordSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.chat import ChatPoster
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _chat(settings: DiscordSettings, context: ProviderContext) -> ChatPoster:
    from madang.adapters.discord.chat import DiscordChat

    return DiscordChat(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.CHAT,
            "discord",
            DiscordSettings,
            capabilities.CHAT,
            _chat,
            "Messages to a Discord channel through a webhook",
            requires=("httpx",),
        )
    )
