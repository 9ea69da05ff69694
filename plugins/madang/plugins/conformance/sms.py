"""Conformance of an SMS sender."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.keys import KeyedConformance
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Stage, not_found, outcome, raised
from madang.plugins.conformance.suite import Read
from madang.ports.errors import Rejected, Unsupported
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsReceipt, SmsRequest, SmsSender, SmsStatus

MESSAGE: Final = SmsRequest("+821012345678", "마당: 인증번호는 123456입니다. <b>&=+%\n둘째 줄", "key-1")
NO_NUMBERS: Final = ("", "nobody", "+82", "+821012345678,+821087654321", "+82101234567890123")


class SmsConformance(KeyedConformance):
    """`states` are the provider's words for what became of a message; the remote's `becomes(receipt_id, word)` makes it so."""

    kind = ProviderKind.SMS
    operation = "send"
    private = (MESSAGE.to[-8:], "인증번호")
    sender: ClassVar[str] = "+821087654321"
    """A sender of ours besides the configured one, which the remote side takes."""
    states: ClassVar[Mapping[str, SmsStatus]] = {}

    async def act(self, provider: SmsSender, key: str, timeout: float = 20.0) -> SmsReceipt:
        return await provider.send(replace(MESSAGE, idempotency_key=key, timeout=timeout))

    async def reads(self, provider: SmsSender) -> Mapping[str, Read]:
        questions: dict[str, Read] = dict(await super().reads(provider))
        able = provider.capabilities
        if able.delivery_reports:
            receipt = await self.act(provider, "key-asked")
            questions["fetch"] = lambda: provider.fetch(receipt.id)
        if able.finds_by_key:
            questions["find"] = lambda: provider.find("key-asked")
        return questions

    @must("Hand the text over as it is, to the number that was asked for, and answer the provider's id of the message.")
    async def test_a_message_reaches_the_provider_whole(self, stage: Stage, provider: SmsSender) -> None:
        receipt = await provider.send(MESSAGE)
        assert receipt.id
        assert receipt.status is not SmsStatus.FAILED
        if stage.service is not None:
            [request] = stage.service.acting
            said = self.wire(request)
            assert MESSAGE.text in said
            assert MESSAGE.to[-8:] in said

    @must("A request's own sender comes before the configured one; where that cannot be, raise Unsupported.")
    async def test_a_request_may_name_its_sender(self, stage: Stage, provider: SmsSender) -> None:
        await self._kept_or_unsupported(stage, provider, replace(MESSAGE, sender=self.sender), self.sender[-8:])

    @must("A subject is sent along; where that cannot be, raise Unsupported.")
    async def test_a_subject_goes_along(self, stage: Stage, provider: SmsSender) -> None:
        await self._kept_or_unsupported(stage, provider, replace(MESSAGE, subject="마당 알림"), "마당 알림")

    @must('What is no E.164 number is Rejected(reason="invalid_recipient"): refuse it yourself, or map the provider\'s code.')
    @pytest.mark.parametrize("number", NO_NUMBERS)
    async def test_what_is_no_number_is_an_invalid_recipient(self, provider: SmsSender, number: str) -> None:
        await self._rejected(provider, replace(MESSAGE, to=number), "invalid_recipient")

    @must('Raise Rejected(reason="too_long") beyond max_bytes, two for a Hangul syllable, and take what is just as long.')
    async def test_a_text_may_be_as_long_as_the_capabilities_say(self, provider: SmsSender) -> None:
        syllables = provider.capabilities.max_bytes // 2
        await provider.send(replace(MESSAGE, text="가" * syllables))
        await self._rejected(provider, replace(MESSAGE, text="가" * (syllables + 1), idempotency_key="key-2"), "too_long")
        long = "a" * (provider.capabilities.max_bytes + 1)
        await self._rejected(provider, replace(MESSAGE, text=long, idempotency_key="key-3"), "too_long")

    @must('A message without a text is Rejected(reason="invalid_request").')
    async def test_a_message_without_a_text_is_refused(self, provider: SmsSender) -> None:
        await self._rejected(provider, replace(MESSAGE, text=" \n"), "invalid_request")

    @must('fetch() tells what became of a message, and Rejected(reason="not_found") of none; else Unsupported.')
    async def test_a_message_is_fetched_by_its_id(self, stage: Stage, provider: SmsSender) -> None:
        if not provider.capabilities.delivery_reports:
            await raised(self.name, "fetch", provider.fetch("any"), (Unsupported,))
            return
        receipt = await provider.send(MESSAGE)
        assert (await provider.fetch(receipt.id)).id == receipt.id
        unknown = receipt.id[:-1] + ("0" if receipt.id[-1] != "0" else "1")
        for each in (unknown, "../messages", "a/b?c=d", ""):
            await not_found(stage, "fetch", provider.fetch(each))

    @must("Map each of the provider's states by a table; one that is not in it is ACCEPTED, never DELIVERED or FAILED.")
    async def test_each_state_of_the_provider_has_its_status(self, stage: Stage, provider: SmsSender) -> None:
        if not provider.capabilities.delivery_reports or stage.service is None:
            pytest.skip("there is no state to ask for")
        assert SmsStatus.DELIVERED in self.states.values(), "say in `states` which words of the provider mean what"
        receipt = await provider.send(MESSAGE)
        for word, status in {**self.states, "a-state-to-come": SmsStatus.ACCEPTED}.items():
            stage.service.becomes(receipt.id, word)
            fetched = await provider.fetch(receipt.id)
            assert fetched.status is status, f"{word!r} means {status}"
            assert fetched.error or status is not SmsStatus.FAILED, f"{word!r} fails without the provider's words"

    async def _kept_or_unsupported(self, stage: Stage, provider: SmsSender, request: SmsRequest, words: str) -> None:
        result = await outcome(provider.send(request))
        if not isinstance(result, Unsupported):
            assert isinstance(result, SmsReceipt), f"it may be Unsupported, and was {result!r}"
            if stage.service is not None:
                assert words in self.wire(stage.service.acting[-1]), f"{words!r} did not reach the provider"

    async def _rejected(self, provider: Any, request: SmsRequest, reason: str) -> None:
        error = await raised(self.name, "send", provider.send(request), (Rejected,))
        assert getattr(error, "reason", "") == reason
        assert not request.to or request.to not in str(error), "no telephone number in an error"
