"""HTTP towards Twilio."""

from collections.abc import Mapping
from typing import Final

from madang.adapters.provider_http.answers import Answer
from madang.adapters.provider_http.client import ProviderHttp
from madang.adapters.twilio.capabilities import NAME
from madang.adapters.twilio.settings import TwilioSettings

MAX_ANSWER_BYTES: Final = 1024**2


class TwilioClient:
    """Knows the account with its token, or an API key of the account."""

    def __init__(self, settings: TwilioSettings) -> None:
        self._http = ProviderHttp(
            NAME,
            base_url=settings.base_url,
            auth=_auth(settings),
            proxy=settings.proxy,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        timeout: float,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises as `ProviderHttp.call`; all but questions act."""
        return await self._http.call(operation, method, path, timeout, acts=method != "GET", form=form, params=params)

    async def close(self) -> None:
        await self._http.close()


def _auth(settings: TwilioSettings) -> tuple[str, str]:
    if settings.api_key_sid is not None and settings.api_key_secret is not None:
        return settings.api_key_sid, settings.api_key_secret.reveal()
    return settings.account_sid, settings.auth_token.reveal() if settings.auth_token else ""
