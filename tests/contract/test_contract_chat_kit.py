"""Slack, Discord and the sandbox's channel through the conformance kit."""

from collections.abc import Mapping
from typing import Any, ClassVar

from contract.fake_chat import FakeDiscord, FakeSlack
from contract.sandbox_faults import SandboxFaults
from madang.plugins.conformance.chat import ChatConformance


class TestSlack(ChatConformance):
    plugin = "madang.plugins.builtin.slack"
    name = "slack"
    request_id = "x-slack-req-id"
    extra: ClassVar[Mapping[str, Any]] = {"username": "Madang"}

    def remote(self) -> FakeSlack:
        return FakeSlack()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"webhook_url": FakeSlack.webhook_at(url)}


class TestDiscord(ChatConformance):
    plugin = "madang.plugins.builtin.discord"
    name = "discord"
    extra: ClassVar[Mapping[str, Any]] = {"username": "Madang"}
    retry_after = 0.65

    def remote(self) -> FakeDiscord:
        return FakeDiscord()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"webhook_url": FakeDiscord.webhook_at(url)}


class TestSandbox(SandboxFaults, ChatConformance):
    port = "chat"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}
