"""The sandbox's social platform through the conformance kit."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contract.sandbox_faults import SandboxFaults
from madang.plugins.conformance.social import SocialConformance
from madang.plugins.conformance.stage import Stage
from madang.ports.social import SocialPlatform


class TestSandbox(SandboxFaults, SocialConformance):
    port = "social"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}

    async def agree(self, stage: Stage, address: str) -> str:
        wanted = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        async with stage.browser() as browser:
            back = await browser.post("/sandbox/authorize", data={**wanted, "handle": "Cafe_Seoul"})
        answer = parse_qs(urlsplit(back.headers["location"]).query)
        assert answer["state"] == [wanted["state"]]
        return answer["code"][0]

    async def test_an_access_token_of_before_the_refresh_has_expired(self, provider: SocialPlatform) -> None:
        grant = await self._grant(provider)
        assert grant.account.handle == "cafe_seoul"
        await provider.refresh(grant)
        assert await self._reason("read_quota", provider.read_quota(grant)) == "access_expired"
