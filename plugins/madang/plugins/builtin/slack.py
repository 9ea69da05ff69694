"""Messages to a Slack channel."""

from collections.abc import Callable

from madang.adapters.slack import capabilities
from madang.adapters.slack.settings import SlackSettings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.chat import ChatPoster
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind

MADANG_CONTRACT = "1.0"


def _chat(settings: SlackSettings, context: ProviderContext) -> ChatPoster:
    from madang.adapters.slack.chat import SlackChat

    return SlackChat(settings, context)


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.CHAT,
            "slack",
            SlackSettings,
            capabilities.CHAT,
            _chat,
            "Messages to a Slack channel through an incoming webhook",
            requires=("httpx",),
        )
    )
