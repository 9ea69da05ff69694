"""S3 and R2 as they are from outside: moto keeps the objects, and what moto lets pass is refused here as the real ones do.

Signatures are computed by the SDK's own code from the request as it came. Forms are held to their policy.
"""

import base64
import hashlib
import json
import threading
import wsgiref.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import create_backend_app
from werkzeug.formparser import parse_form_data
from werkzeug.test import run_wsgi_app

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

ACCESS_KEY = "test-key-not-secret"
SECRET_KEY = "test-secret-key-not-secret"
BUCKET = "madang-test"
STAMP = "%Y%m%dT%H%M%SZ"
SKEW = timedelta(minutes=15)
SIGNED = "AWS4-HMAC-SHA256 "
UNIMPLEMENTED_BY_R2 = ("x-amz-acl", "x-amz-tagging", "x-amz-server-side-encryption", "x-amz-trailer", "x-amz-website")

_MOTO = threading.Lock()


class Refusal(Exception):
    def __init__(self, status: int, code: str, detail: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail or {}


def error(status: int, code: str, detail: Mapping[str, str] | None = None, **headers: str) -> Reply:
    """The storage's own error document; it quotes what the client said, as the real one does."""
    told = {"Code": code, "Message": f"{code}.", "RequestId": "REQUEST1", "HostId": "host", **(detail or {})}
    words = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{words}</Error>'
    return Reply(status, body, {"content-type": "application/xml", "x-amz-request-id": "REQUEST1", **headers})


@dataclass(frozen=True)
class Claim:
    """What a request says of its signature."""

    access_key: str
    region: str
    stamp: str
    signed_headers: Sequence[str]
    signature: str
    lifetime: int | None = None

    @property
    def moment(self) -> datetime:
        return datetime.strptime(self.stamp, STAMP).replace(tzinfo=UTC)


class FakeS3(RemoteService):
    region = "ap-northeast-2"
    takes_forms = True
    expired = "AccessDenied", 403
    ahead = timedelta(0)
    """How much later it is there."""

    def __init__(self) -> None:
        super().__init__()
        self._moto = _moto()
        with _MOTO:
            s3_backends.reset()
        made = self._call(self._unsigned("PUT", f"/{BUCKET}"))
        assert made.status == 200, made.body

    def acts(self, request: Arrived) -> bool:
        return request.method in ("PUT", "POST", "DELETE")

    def refusal(self, fault: Fault) -> Reply:
        return {
            Fault.UNAVAILABLE: error(503, "ServiceUnavailable"),
            Fault.RATE_LIMITED: error(503, "SlowDown"),
            Fault.WRONG_KEY: error(403, "InvalidAccessKeyId", {"AWSAccessKeyId": ACCESS_KEY}),
            Fault.SERVER_ERROR: error(500, "InternalError"),
        }[fault]

    def answer(self, request: Arrived) -> Reply:
        try:
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                return self._take_form(request)
            self._examine(request)
        except Refusal as refusal:
            return error(refusal.status, refusal.code, refusal.detail)
        return self._call(request)

    def stored(self) -> list[str]:
        """The keys of everything in the bucket."""
        listing = self._call(self._unsigned("GET", f"/{BUCKET}", "list-type=2"))
        return [part.partition("</Key>")[0] for part in listing.body.decode().split("<Key>")[1:]]

    def unfinished(self) -> int:
        """Uploads in parts that were neither completed nor taken back."""
        listing = self._call(self._unsigned("GET", f"/{BUCKET}", "uploads"))
        return int(listing.body.decode().count("<Upload>"))

    def age(self, passed: timedelta) -> None:
        """Everything that is stored was stored that much earlier."""
        with _MOTO:
            for stored in s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET].keys.values():
                stored.last_modified -= passed

    def _examine(self, request: Arrived) -> None:
        claim = _claim_in_query(request) if "X-Amz-Signature" in request.query else _claim_in_header(request)
        self._examine_claim(claim)
        self._examine_signature(request, claim)
        if claim.lifetime is None:
            sent = request.headers.get("x-amz-content-sha256")
            if sent != hashlib.sha256(request.body).hexdigest():
                raise Refusal(400, "XAmzContentSHA256Mismatch")
        if request.method == "POST" and "delete" in request.query:
            _require_digest(request)

    def _examine_claim(self, claim: Claim) -> None:
        if claim.access_key != ACCESS_KEY:
            raise Refusal(403, "InvalidAccessKeyId", {"AWSAccessKeyId": claim.access_key})
        if claim.region != self.region:
            raise Refusal(400, "AuthorizationHeaderMalformed", {"Region": self.region})
        now = datetime.now(UTC) + self.ahead
        if claim.lifetime is None:
            if abs(now - claim.moment) > SKEW:
                raise Refusal(403, "RequestTimeTooSkewed")
        elif now >= claim.moment + timedelta(seconds=claim.lifetime):
            raise Refusal(self.expired[1], self.expired[0])

    def _examine_signature(self, request: Arrived, claim: Claim) -> None:
        unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in claim.signed_headers]
        if unsigned:
            raise Refusal(403, "AccessDenied", {"HeadersNotSigned": ", ".join(unsigned)})
        if _signature_of(request, claim) != claim.signature:
            raise Refusal(403, "SignatureDoesNotMatch", {"AWSAccessKeyId": claim.access_key})

    def _take_form(self, request: Arrived) -> Reply:
        """As the real one: the file part's own type counts for nothing, the field's does."""
        if not self.takes_forms:
            raise Refusal(501, "NotImplemented")
        _, form, files = parse_form_data(_environ(request), stream_factory=lambda *_, **__: BytesIO())
        fields, file = {name.lower(): value for name, value in form.items()}, files.get("file")
        if file is None:
            raise Refusal(400, "UserKeyMustBeSpecified")
        key, _, region, *_ = [*fields.get("x-amz-credential", "").split("/"), "", "", ""]
        self._examine_claim(Claim(key, region, fields.get("x-amz-date", ""), (), "", 10**9))
        signer = S3SigV4PostAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", region)
        dated = AWSRequest()
        dated.context["timestamp"] = fields["x-amz-date"]
        if signer.signature(fields.get("policy", ""), dated) != fields.get("x-amz-signature"):
            raise Refusal(403, "SignatureDoesNotMatch")
        body = file.read()
        _hold_to_policy(json.loads(base64.b64decode(fields["policy"])), fields, len(body))
        stored = self._unsigned("PUT", f"{request.path}/{quote(fields['key'])}")
        kind = {"content-type": fields.get("content-type", "binary/octet-stream")}
        self._call(replace(stored, body=body, headers={**stored.headers, **kind}))
        return Reply(204)

    def _unsigned(self, method: str, path: str, query: str = "") -> Arrived:
        """For moto alone, which asks for no signature but reads the service out of it."""
        scope = f"{SIGNED}Credential={ACCESS_KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        return Arrived(method, path, {}, {"authorization": scope, "host": "127.0.0.1"}, b"", f"{path}?{query}")

    def _call(self, request: Arrived) -> Reply:
        with _MOTO:
            body, status, headers = run_wsgi_app(self._moto, _environ(request), buffered=True)
        told = {name.lower(): value for name, value in headers}
        ours = ("date", "server", "connection", *(() if request.method == "HEAD" else ("content-length",)))
        kept = {name: value for name, value in told.items() if name not in ours}
        return Reply(int(status.split()[0]), b"".join(body), {"x-amz-request-id": "REQUEST1", **kept})


class FakeR2(FakeS3):
    region = "auto"
    takes_forms = False
    expired = "ExpiredRequest", 400

    def __init__(self) -> None:
        super().__init__()
        self._part_sizes: dict[str, dict[int, int]] = {}

    def refusal(self, fault: Fault) -> Reply:
        if fault is Fault.RATE_LIMITED:
            return error(429, "TooManyRequests")
        return error(401, "Unauthorized") if fault is Fault.WRONG_KEY else super().refusal(fault)

    def answer(self, request: Arrived) -> Reply:
        if any(name.startswith(UNIMPLEMENTED_BY_R2) for name in request.headers):
            return error(501, "NotImplemented")
        upload = request.query.get("uploadId", "")
        if request.method == "PUT" and upload:
            self._part_sizes.setdefault(upload, {})[int(request.query["partNumber"])] = len(request.body)
        if request.method == "POST" and upload:
            *whole, _ = [size for _, size in sorted(self._part_sizes.get(upload, {}).items())] or [0]
            if len(set(whole)) > 1:
                return error(400, "InvalidPart")
        return super().answer(request)

    def _examine_claim(self, claim: Claim) -> None:
        if claim.access_key != ACCESS_KEY:
            raise Refusal(401, "Unauthorized")
        super()._examine_claim(replace(claim, region="auto" if claim.region in ("", "us-east-1") else claim.region))


@cache
def _moto() -> Callable[..., Any]:
    """moto's server, of S3 alone: to find out which service is meant takes longer than to serve it."""
    return create_backend_app("s3")


def _environ(request: Arrived) -> dict[str, Any]:
    parts = urlsplit(request.target)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.input": BytesIO(request.body),
        "HTTP_HOST": request.headers.get("host", "127.0.0.1"),
    }
    for name, value in request.headers.items():
        environ["CONTENT_TYPE" if name == "content-type" else f"HTTP_{name.upper().replace('-', '_')}"] = value
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    wsgiref.util.setup_testing_defaults(environ)
    return environ


def _claim_in_header(request: Arrived) -> Claim:
    given = request.headers.get("authorization", "")
    if not given.startswith(SIGNED):
        raise Refusal(403, "AccessDenied")
    parts = dict(part.strip().split("=", 1) for part in given.removeprefix(SIGNED).split(","))
    key, _, region, *_ = parts["Credential"].split("/")
    return Claim(key, region, request.headers["x-amz-date"], parts["SignedHeaders"].split(";"), parts["Signature"])


def _claim_in_query(request: Arrived) -> Claim:
    query = request.query
    try:
        key, _, region, *_ = query["X-Amz-Credential"].split("/")
        headers = query["X-Amz-SignedHeaders"].split(";")
        datetime.strptime(query["X-Amz-Date"], STAMP).replace(tzinfo=UTC)
        claim = Claim(key, region, query["X-Amz-Date"], headers, query["X-Amz-Signature"], int(query["X-Amz-Expires"]))
        return {"AWS4-HMAC-SHA256": claim}[query["X-Amz-Algorithm"]]
    except (KeyError, ValueError):
        raise Refusal(400, "AuthorizationQueryParametersError") from None


def _signature_of(request: Arrived, claim: Claim) -> str:
    kind = S3SigV4Auth if claim.lifetime is None else S3SigV4QueryAuth
    signer = kind(Credentials(ACCESS_KEY, SECRET_KEY), "s3", claim.region)
    target = "&".join(part for part in request.target.split("&") if not part.startswith("X-Amz-Signature="))
    headers = {name: request.headers.get(name, "") for name in claim.signed_headers}
    seen = AWSRequest(request.method, f"http://{request.headers['host']}{target}", headers, request.body)
    seen.context["timestamp"] = claim.stamp
    return str(signer.signature(signer.string_to_sign(seen, signer.canonical_request(seen)), seen))


def _require_digest(request: Arrived) -> None:
    """AWS takes newer digests as well; MD5 is what all storages understand."""
    given = request.headers.get("content-md5")
    if given is None:
        raise Refusal(400, "InvalidRequest")
    if given != base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest()).decode():
        raise Refusal(400, "BadDigest")


def _hold_to_policy(policy: Mapping[str, Any], fields: Mapping[str, str], size: int) -> None:
    """The key and every other field must be as a condition says, and no field may be there without one."""
    if datetime.now(UTC) >= datetime.fromisoformat(policy["expiration"]):
        raise Refusal(403, "AccessDenied")
    allowed = {"policy", "x-amz-signature", "file"}
    for condition in policy["conditions"]:
        if isinstance(condition, list):
            kind, low, high = condition
            assert kind == "content-length-range", "the fake knows no other"
            if size > high:
                raise Refusal(400, "EntityTooLarge")
            if size < low:
                raise Refusal(400, "EntityTooSmall")
            continue
        for name, value in condition.items():
            if name.lower() != "bucket" and fields.get(name.lower()) != value:
                raise Refusal(403, "AccessDenied")
            allowed.add(name.lower())
    if set(fields) - allowed:
        raise Refusal(403, "AccessDenied")


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))
