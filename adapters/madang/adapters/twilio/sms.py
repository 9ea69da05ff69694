"""`SmsSender` through Twilio."""

import time
from typing import Final

from madang.adapters.twilio.capabilities import NAME, SMS
from madang.adapters.twilio.client import TwilioClient
from madang.adapters.twilio.mapping import ID, error_of, receipt_of
from madang.adapters.twilio.payload import form_of
from madang.adapters.twilio.settings import TwilioSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable, Unsupported
from madang.ports.provider import ProviderHealth
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsRequest

API_SECONDS: Final = 10.0


class TwilioSmsSender:
    """Fulfils `SmsSender`."""

    def __init__(self, settings: TwilioSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._messages = f"/2010-04-01/Accounts/{settings.account_sid}/Messages"
        self._client = TwilioClient(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> SmsCapabilities:
        return SMS

    async def check(self) -> ProviderHealth:
        """Whether Twilio takes the keys for the account's messages. The account itself is out of an API key's reach."""
        started = time.perf_counter()
        answer = await self._client.call("check", "GET", f"{self._messages}.json", API_SECONDS, params={"PageSize": "1"})
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "check")
        return ProviderHealth(True, "the keys are taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()

    async def send(self, request: SmsRequest) -> SmsReceipt:
        form = form_of(request, self._settings)
        answer = await self._client.call("send", "POST", f"{self._messages}.json", request.timeout, form=form)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, "send")
        try:
            return receipt_of(answer.fields)
        except ValueError:
            raise OutcomeUnknown("the answer has no sid", provider=NAME, operation="send") from None

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        if not ID.fullmatch(receipt_id):
            raise Rejected("Twilio gives no such id", reason="not_found", provider=NAME, operation="fetch")
        answer = await self._client.call("fetch", "GET", f"{self._messages}/{receipt_id}.json", API_SECONDS)
        if answer.status != 200:
            raise error_of(answer.status, answer.headers, answer.fields, "fetch")
        try:
            return receipt_of(answer.fields)
        except ValueError:
            raise Unavailable("the answer is no message", provider=NAME, operation="fetch") from None

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        raise Unsupported("Twilio cannot be asked by key", provider=NAME, operation="find")
