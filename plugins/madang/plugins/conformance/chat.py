"""Conformance of a poster to a chat channel."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.keys import KeyedConformance
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Stage, raised
from madang.plugins.conformance.suite import Read
from madang.ports.chat import ChatField, ChatPoster, ChatReceipt, ChatRequest, ChatTone
from madang.ports.errors import Rejected, Unsupported
from madang.ports.provider import ProviderKind

MESSAGE: Final = ChatRequest(
    "결제 실패율이 10%를 넘었습니다.", "key-1", title="마당 알림", link="https://madang.example/alerts", tone=ChatTone.BAD
)
RATE: Final = ChatField("실패율", "12%")


class ChatConformance(KeyedConformance):
    """`extra` is something that only this platform knows, with a text as value; the remote side must get it."""

    kind = ProviderKind.CHAT
    operation = "post"
    private = (MESSAGE.text,)
    channel: ClassVar[str] = "#alerts"
    """A channel that the remote side has, for a provider with `channels`."""
    extra: ClassVar[Mapping[str, Any]] = {}

    async def act(self, provider: ChatPoster, key: str, timeout: float = 20.0) -> ChatReceipt:
        return await provider.post(replace(MESSAGE, idempotency_key=key, timeout=timeout))

    async def reads(self, provider: ChatPoster) -> Mapping[str, Read]:
        questions: dict[str, Read] = dict(await super().reads(provider))
        if provider.capabilities.finds_by_key:
            await self.act(provider, "key-asked")
            questions["find"] = lambda: provider.find("key-asked")
        return questions

    @must(
        "Post the text, the title with its link and every field; what the platform cannot show is Unsupported, never dropped."
    )
    async def test_a_message_reaches_the_platform_whole(self, stage: Stage, provider: ChatPoster) -> None:
        fields = [RATE] if provider.capabilities.fields else []
        await provider.post(replace(MESSAGE, fields=fields))
        if stage.service is not None:
            [request] = stage.service.acting
            said = self.wire(request)
            for words in (
                MESSAGE.text,
                MESSAGE.title,
                MESSAGE.link,
                *(word for each in fields for word in (each.label, each.value)),
            ):
                assert words is not None
                assert words in said, f"{words!r} did not reach the platform"

    @must("Answer the platform's id of the message where it tells one, and declare returns_id accordingly.")
    async def test_the_receipt_has_an_id_as_the_capabilities_say(self, provider: ChatPoster) -> None:
        receipts = [await self.act(provider, key) for key in ("key-1", "key-2")]
        assert all(bool(each.id) == provider.capabilities.returns_id for each in receipts)
        assert not provider.capabilities.returns_id or receipts[0].id != receipts[1].id

    @must("Take every tone, with a colour of its own or without one.")
    @pytest.mark.parametrize("tone", ChatTone)
    async def test_every_tone_is_taken(self, provider: ChatPoster, tone: ChatTone) -> None:
        await provider.post(replace(MESSAGE, tone=tone, title=None, link=None))

    @must('Take max_length code points, also of characters that are escaped, and raise Rejected(reason="too_long") beyond.')
    @pytest.mark.parametrize("character", ["가", "&", "<", "*", "_", "@", "`"])
    async def test_a_text_may_be_as_long_as_the_capabilities_say(self, provider: ChatPoster, character: str) -> None:
        longest = character * provider.capabilities.max_length
        await provider.post(replace(MESSAGE, text=longest))
        await provider.post(ChatRequest(longest, "key-2"))
        await self._rejected(provider, replace(MESSAGE, text=longest + character, idempotency_key="key-3"), "too_long")

    @must("Take max_fields fields and raise Rejected beyond; without the capability a field is Unsupported.")
    async def test_as_many_fields_as_the_capabilities_say_are_taken(self, provider: ChatPoster) -> None:
        able = provider.capabilities
        if not able.fields:
            await raised(self.name, "post", provider.post(replace(MESSAGE, fields=[RATE])), (Unsupported,))
            return
        fields = [ChatField(f"값 {number}", "<&>") for number in range(able.max_fields + 1)]
        await provider.post(replace(MESSAGE, fields=fields[:-1]))
        await self._rejected(provider, replace(MESSAGE, fields=fields, idempotency_key="key-2"), "invalid_request")

    @must('A message without a text is Rejected(reason="invalid_request").')
    @pytest.mark.parametrize("text", ["", " \n "])
    async def test_a_message_without_a_text_is_refused(self, provider: ChatPoster, text: str) -> None:
        await self._rejected(provider, replace(MESSAGE, text=text), "invalid_request")

    @must("Post to the channel that the request names; without the capability raise Unsupported.")
    async def test_a_request_may_name_its_channel(self, stage: Stage, provider: ChatPoster) -> None:
        call = provider.post(replace(MESSAGE, channel=self.channel))
        if not provider.capabilities.channels:
            await raised(self.name, "post", call, (Unsupported,))
            return
        await call
        if stage.service is not None:
            assert self.channel in self.wire(stage.service.acting[-1])

    @must("Answer under the message that `thread` names; without the capability raise Unsupported.")
    async def test_a_request_may_answer_under_a_message(self, stage: Stage, provider: ChatPoster) -> None:
        first = await provider.post(MESSAGE)
        call = provider.post(replace(MESSAGE, thread=first.id or "1", idempotency_key="key-2"))
        if not provider.capabilities.threads:
            await raised(self.name, "post", call, (Unsupported,))
            return
        await call
        if stage.service is not None:
            assert str(first.id) in self.wire(stage.service.acting[-1])

    @must("Pass `extra` on as it is, and name one in the suite's `extra`; where nothing can be extra, raise Unsupported.")
    async def test_extra_is_passed_through_or_unsupported(self, stage: Stage, provider: ChatPoster) -> None:
        if stage.service is None:
            pytest.skip("there is nothing outside to pass it to")
        if not self.extra:
            call = provider.post(replace(MESSAGE, extra={"something": "extra"}))
            await raised(self.name, "post", call, (Unsupported,))
            return
        await provider.post(replace(MESSAGE, extra=self.extra))
        said = self.wire(stage.service.acting[-1])
        assert all(str(value) in said for value in self.extra.values())

    async def _rejected(self, provider: ChatPoster, request: ChatRequest, reason: str) -> None:
        error = await raised(self.name, "post", provider.post(request), (Rejected,))
        assert getattr(error, "reason", "") == reason
