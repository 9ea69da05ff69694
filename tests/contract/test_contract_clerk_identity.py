"""Clerk through the conformance kit."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from joserfc.jwk import ECKey
from standardwebhooks import Webhook

from contract.fake_clerk import SECRET_KEY, FakeIssuer, key, signed, user
from madang.plugins.conformance.identity import IdentityConformance
from madang.plugins.conformance.repairs import deviation
from madang.plugins.conformance.stage import Stage
from madang.ports.identity import IdentityProvider, PersonChange
from madang.ports.webhook import WebhookRequest

WEBHOOK_SECRET = "whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU="
EVENTS: Mapping[PersonChange, str] = {
    PersonChange.CREATED: "user.created",
    PersonChange.UPDATED: "user.updated",
    PersonChange.DELETED: "user.deleted",
    PersonChange.SESSION_ENDED: "session.ended",
    PersonChange.OTHER: "user.something_new",
}


class TestClerk(IdentityConformance):
    plugin = "madang.plugins.builtin.clerk"
    name = "clerk"
    signature_headers = ("svix-id", "svix-timestamp", "svix-signature")

    def remote(self) -> FakeIssuer:
        return FakeIssuer()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {
            "issuers": [url],
            "api_url": f"{url}/v1",
            "secret_key": SECRET_KEY,
            "webhook_secret": WEBHOOK_SECRET,
        }

    def wrong(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Mapping[str, Any]:
        return {**settings, "secret_key": "sk_test_of-somebody-else"}

    @deviation(reason="whom it believes, and whether it asks Clerk besides, is the deployment's to say")
    def test_the_provider_is_what_its_plugin_declares(self, stage: Stage, provider: IdentityProvider) -> None:
        able = provider.capabilities
        assert able.issuers == {stage.url}
        assert (able.offline, able.fetches_people, able.deletes_people, able.webhooks) == (False, True, True, True)

    def token(self, claims: Mapping[str, Any], *, stranger: bool = False) -> str:
        signer = ECKey.import_key(key("stranger").as_dict(private=True) | {"kid": "ec-1"}) if stranger else key("ec-1")
        return signed(claims, signer)

    def announcement(self, change: PersonChange, subject: str, signed_at: datetime) -> WebhookRequest:
        person = change in (PersonChange.CREATED, PersonChange.UPDATED)
        data = user(subject) if person else {"id": subject, "user_id": subject}
        body = json.dumps({"object": "event", "type": EVENTS[change], "data": data})
        headers = {
            "svix-id": "msg_1",
            "svix-timestamp": str(int(signed_at.timestamp())),
            "svix-signature": Webhook(WEBHOOK_SECRET).sign("msg_1", signed_at, body),
        }
        return WebhookRequest(headers, body.encode(), datetime.now(UTC))


class TestIssuer(TestClerk):
    """Any issuer of OpenID Connect: no keys of ours, so that tokens are all there is."""

    claims: ClassVar = {"aud": "madang"}

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"issuers": [url], "discovery": True, "audiences": ["madang"]}

    @deviation(reason="without keys of ours it only verifies")
    def test_the_provider_is_what_its_plugin_declares(self, stage: Stage, provider: IdentityProvider) -> None:
        able = provider.capabilities
        assert (able.offline, able.fetches_people, able.deletes_people, able.webhooks) == (True, False, False, False)
