"""An issuer as OpenID Connect Discovery, RFC 7517 and Clerk's Backend API describe it: it signs, rotates, and refuses."""

import base64
import functools
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from madang.plugins.conformance.remote import Arrived, RemoteService, Reply

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET_KEY = "sk_test_not-a-secret"
AUDIENCE = "madang"
PARTY = "https://app.example.com"
Key = RSAKey | ECKey | OKPKey


class _Anything(JWSRegistry):
    """Signs whatever a test asks for."""

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)
        self.max_header_length = 1024 * 1024

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        """Whatever it says."""


@functools.cache
def key(name: str, kind: str = "EC") -> Key:
    """A key of this name, made once in a run of the tests."""
    if kind == "RSA":
        return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})
    if kind == "OKP":
        return OKPKey.generate_key("Ed25519", {"kid": name, "use": "sig"})
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": "ES256"})


def algorithm_of(signer: Any) -> str:
    return {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}[signer.key_type]


def signed(claims: Mapping[str, Any] | bytes, signer: Any, **header: Any) -> str:
    head = {"typ": "JWT", "alg": algorithm_of(signer), "kid": getattr(signer, "kid", None), **header}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.serialize_compact(
        {name: each for name, each in head.items() if each is not None}, payload, signer, registry=_Anything()
    )


def signed_by_hmac(claims: Mapping[str, Any], secret: bytes, **header: Any) -> str:
    """What an attacker signs who takes a public key for the secret of HMAC."""
    text = unsigned(claims, alg="HS256", **header)
    signature = hmac.new(secret, text.removesuffix(".").encode(), hashlib.sha256).digest()
    return text + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def unsigned(claims: Mapping[str, Any], signature: str = "", **header: Any) -> str:
    return ".".join([*(_segment(each) for each in ({"typ": "JWT", **header}, claims)), signature])


def _segment(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class FakeIssuer(RemoteService):
    """`keys` are published; `users` are Clerk's, by id. `description` changes the discovery document."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[Any] = [key("ec-1").as_dict(private=False)]
        self.users: dict[str, dict[str, Any]] = {"user_1": user("user_1")}
        self.description: dict[str, Any] = {}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Of a Clerk session token (version 2); a claim that is None is left out."""
        now = int(NOW.timestamp())
        claims = {
            "azp": PARTY, "exp": now + 60, "fva": [7, -1], "iat": now, "iss": self.url, "jti": "jti-1", "nbf": now - 10,
            "sid": "sess_1", "sub": "user_1", "v": 2,
        }  # fmt: skip
        return {name: each for name, each in {**claims, **changed}.items() if each is not None}

    def token(self, signer: Any = None, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        return signed(self.claims(**changed), signer or key("ec-1"), **(header or {}))

    @property
    def fetches(self) -> int:
        return sum(each.path in ("/.well-known/jwks.json", "/keys") for each in self.arrived)

    def answer(self, request: Arrived) -> Reply:
        if request.path in ("/.well-known/jwks.json", "/keys"):
            return Reply(200, {"keys": self.keys})
        if request.path == "/.well-known/openid-configuration":
            return Reply(200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.description})
        if request.path.startswith("/v1/"):
            return self._backend(request)
        return Reply(404, "not found")

    def _backend(self, request: Arrived) -> Reply:
        if request.headers.get("authorization") != f"Bearer {SECRET_KEY}":
            return refusal(401, "authentication_invalid")
        if request.path == "/v1/users/count":
            return Reply(200, {"object": "total_count", "total_count": len(self.users)})
        identity = request.path.removeprefix("/v1/users/")
        if identity not in self.users:
            return refusal(404, "resource_not_found")
        if request.method == "DELETE":
            del self.users[identity]
            return Reply(200, {"object": "user", "id": identity, "deleted": True})
        return Reply(200, self.users[identity])


def refusal(status: int, code: str, **headers: str) -> Reply:
    errors = [{"message": "m", "long_message": "somebody@example.com did it", "code": code}]
    return Reply(
        status,
        {"errors": errors, "clerk_trace_id": "trace-1"},
        {name.replace("_", "-"): each for name, each in headers.items()},
    )


def user(identity: str, **changed: Any) -> dict[str, Any]:
    """A `User` of the Backend API: two addresses, the second of which is the primary one."""

    def address(name: str, status: str) -> dict[str, Any]:
        return {
            "id": f"idn_{name}", "object": "email_address", "email_address": f"{name}@example.com", "reserved": False,
            "verification": {"status": status, "strategy": "email_code"}, "linked_to": [], "created_at": 1, "updated_at": 1,
        }  # fmt: skip

    return {
        "id": identity, "object": "user", "username": None, "first_name": "지우", "last_name": "Kim", "locale": "ko-KR",
        "has_image": True, "image_url": "https://img.example.com/1.png", "primary_email_address_id": "idn_primary",
        "email_addresses": [address("other", "unverified"), address("primary", "verified")],
        **changed,
    }  # fmt: skip
