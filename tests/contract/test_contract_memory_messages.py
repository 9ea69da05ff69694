"""The in-memory messages and faces through the conformance kit, and what a test sees of them."""

import io
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import pytest
from PIL import Image

from contract.memory_faults import MemoryFaults
from madang.adapters.memory.chat import MemoryChat
from madang.adapters.memory.email import MemoryEmailSender
from madang.adapters.memory.settings import MemorySettings
from madang.adapters.memory.sms import MemorySmsSender
from madang.plugins.conformance.chat import ChatConformance
from madang.plugins.conformance.email import EMAIL, EmailConformance
from madang.plugins.conformance.faces import FacesConformance
from madang.plugins.conformance.pictures import PNG
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.sms import MESSAGE, SmsConformance
from madang.ports.chat import ChatRequest
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.text_model import Picture


class TestSms(MemoryFaults, SmsConformance):
    port = "sms"


class TestEmail(MemoryFaults, EmailConformance):
    port = "email"


class TestChat(MemoryFaults, ChatConformance):
    port = "chat"


class TestFaces(MemoryFaults, FacesConformance):
    port = "faces"
    unmet: ClassVar[Mapping[Fault, str]] = dict.fromkeys(Fault, "it looks at the picture, and nothing can come between")

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"faces": 3}

    def pictures(self) -> Mapping[int, Picture]:
        return {0: Picture(PNG, "image/png"), 3: two_colours()}

    def size_of(self, picture: Picture) -> tuple[int, int]:
        return 90, 60


@cache
def two_colours() -> Picture:
    image = Image.new("RGB", (90, 60), "white")
    image.paste((40, 30, 30), (20, 10, 60, 50))
    out = io.BytesIO()
    image.save(out, "PNG")
    return Picture(out.getvalue(), "image/png")


async def test_a_test_sees_what_was_sent_once_each(context: ProviderContext) -> None:
    sms, email, chat = (kind(MemorySettings(), context) for kind in (MemorySmsSender, MemoryEmailSender, MemoryChat))
    post = ChatRequest("결제 실패율", "chat-1")
    for _ in range(2):
        await sms.send(MESSAGE)
        await email.send(EMAIL)
        await chat.post(post)
    other = MemorySmsSender(MemorySettings(), context)
    assert (other.sent, email.sent, chat.posted) == ([MESSAGE], [EMAIL], [post])
    with pytest.raises(Rejected) as reused:
        await other.send(replace(MESSAGE, text="another text"))
    assert reused.value.reason == "invalid_request"


async def test_a_test_plans_bad_days(context: ProviderContext) -> None:
    sms = MemorySmsSender(MemorySettings(), context)
    sms.world.plan("sms.send", "answer_lost")
    with pytest.raises(OutcomeUnknown):
        await sms.send(MESSAGE)
    assert sms.sent == [MESSAGE]
    with pytest.raises(ValueError, match="answer_lost"):
        sms.world.plan("sms.send", "explode")
