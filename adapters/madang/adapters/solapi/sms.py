"""`SmsSender` through Solapi."""

import re
import time
from typing import Final

from madang.adapters.solapi.capabilities import NAME, SMS
from madang.adapters.solapi.client import SolapiClient
from madang.adapters.solapi.mapping import error_of, found, sent
from madang.adapters.solapi.payload import payload_of
from madang.adapters.solapi.settings import SolapiSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.provider import ProviderHealth
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsRequest

API_SECONDS: Final = 10.0
MESSAGE_ID: Final = re.compile(r"M[A-Za-z0-9]{1,63}")
GROUP_ID: Final = re.compile(r"G[A-Za-z0-9]{1,63}")


class SolapiSmsSender:
    """Fulfils `SmsSender`. Solapi keeps what it sent for six months, by the message's id."""

    def __init__(self, settings: SolapiSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._client = SolapiClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> SmsCapabilities:
        return SMS

    async def check(self) -> ProviderHealth:
        """Whether Solapi takes the keys, and how much money is left there."""
        started = time.perf_counter()
        answer = await self._client.call("check", "GET", "/cash/v1/balance", API_SECONDS)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "check")
        left = [answer.fields.get(each) for each in ("balance", "point")]
        numbers = [each for each in left if isinstance(each, int | float)]
        detail = f"the keys are taken, {sum(numbers):g} won and points are left" if numbers else "the keys are taken"
        return ProviderHealth(True, detail, (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def send(self, request: SmsRequest) -> SmsReceipt:
        payload = payload_of(request, self._settings)
        answer = await self._client.call("send", "POST", "/messages/v4/send-many/detail", request.timeout, json=payload)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, "send")
        try:
            return sent(answer.fields)
        except ValueError:
            raise OutcomeUnknown("the answer names no message", provider=NAME, operation="send") from None

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        field = "messageId" if MESSAGE_ID.fullmatch(receipt_id) else "groupId"
        if field == "groupId" and not GROUP_ID.fullmatch(receipt_id):
            raise Rejected("Solapi gives no such id", reason="not_found", provider=NAME, operation="fetch")
        answer = await self._client.call("fetch", "GET", "/messages/v4/list", API_SECONDS, params={field: receipt_id})
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "fetch")
        try:
            receipt = found(answer.fields, receipt_id)
        except ValueError:
            raise Unavailable("the answer is no list of messages", provider=NAME, operation="fetch") from None
        if receipt is None:
            raise Rejected("Solapi knows no such message", reason="not_found", provider=NAME, operation="fetch")
        return receipt

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        raise Unsupported("Solapi cannot be asked by key", provider=NAME, operation="find")
