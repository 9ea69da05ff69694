"""The OpenAPI document, made from the same table that the routes are bound from; no connection is needed for it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from madang.entrypoints.http.authentication import Audience
from madang.entrypoints.http.envelope import Failure, Pagination, Success, api_version, camel_case
from madang.entrypoints.http.error_index import example_error, status_of
from madang.entrypoints.http.idempotency import HEADER
from madang.entrypoints.http.operation import FormBody, JsonBody, Operation, RawBody
from madang.entrypoints.http.portraits.shapes import CropBody

Json = dict[str, Any]
REF: Final = "#/components/schemas/{name}"
_IN_PATH: Final[Mapping[str, Mapping[str, Any]]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer", "minimum": 1, "maximum": 100_000},
    "str": {"type": "string", "pattern": "^[^/\\u0000]+$"},
}
_PARAMETER: Final = re.compile(r"\{(\w+):(\w+)\}")
_EVERYWHERE: Final = ("RATE_LIMIT_EXCEEDED", "BAD_REQUEST", "INTERNAL_ERROR", "DATABASE_ERROR")
_META: Final = {
    "timestamp": "2026-01-05T12:07:30+09:00",
    "version": "0.1.0",
    "requestId": "01997f30-9a10-7c01-b7a2-0242ac120002",
}
_TAGS: Final = {
    "Portraits": "A paid picture job. No sign-up: the buyer holds the job's token.",
    "Knowledge base": "The care catalogue that reports recommend from; for editors.",
    "Identity": "Accounts: sign-up, sign-in, sessions, two factors, API keys.",
    "Users": "Everybody's accounts; for administrators.",
    "Credits": "What you have to spend, what became of it, and spending it.",
    "Payments": "Checkouts, payments and refunds.",
    "Subscriptions": "Plans, subscriptions to them, and the means of payment that are kept for them.",
    "Files": "Uploads straight to the storage or through the API, and downloads.",
    "Payment plans": "A project's instalments, and its monthly fee after the launch.",
    "Invoices": "Invoices, which are receipts, too, and credit notes: numbered without gaps, and never changed.",
    "Notifications": "What was sent to you, and by which channel you want it.",
    "Events": "What happens to what is yours, as it happens.",
    "Webhook endpoints": "Our own webhooks to you, signed as Standard Webhooks.",
    "Privacy": "Everything about you, and its erasure.",
    "Administration": "The audit trail, jobs and alerts; for administrators.",
    "Webhooks": "What providers tell us.",
    "Operations": "Whether the process lives and is ready, and its numbers.",
}


def document_of(operations: Sequence[Operation], *, base_url: str = "http://127.0.0.1:8000") -> Json:
    """The whole document, OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Madang",
            "version": api_version(),
            "description": _INTRODUCTION,
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": _paths(operations),
        "components": {
            "schemas": _components(operations),
            "securitySchemes": _SECURITY,
            "headers": _HEADERS,
        },
    }


def _paths(operations: Sequence[Operation]) -> Json:
    paths: Json = {}
    for operation in operations:
        path = _PARAMETER.sub(lambda match: f"{{{camel_case(match[1])}}}", operation.full_path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> Json:
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation),
        "security": _security(operation),
    }
    if operation.body is not None:
        described["requestBody"] = _request_body(operation.body)
    return described


def _security(operation: Operation) -> list[Json]:
    if operation.access is None:
        return []
    by_key = operation.access.audience is Audience.API and operation.access.by_key
    return [{"bearer": []}, {"apiKey": []}] if by_key else [{"bearer": []}]


def _parameters(operation: Operation) -> Iterator[Json]:
    for name, kind in _PARAMETER.findall(operation.path):
        yield {"name": camel_case(name), "in": "path", "required": True, "schema": _IN_PATH[kind]}
    if operation.query is not None:
        _, components = msgspec.json.schema_components([operation.query], ref_template=REF)
        for name, schema in _as_others_read(components[operation.query.__name__])["properties"].items():
            described = {"description": _ASKED[name]} if name in _ASKED else {}
            yield {"name": name, "in": "query", "required": False, **described, "schema": _without_null(schema)}
    for header in operation.headers:
        yield {
            "name": header.name,
            "in": "header",
            "required": False,
            "description": header.description,
            "schema": {"type": "string"},
            "example": header.example,
        }
    if operation.idempotent:
        yield {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "The same key and body get the first answer again, for 24 hours.",
            "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
            "example": "3f2c1a4e-0000-4000-8000-000000000000",
        }
    if operation.etag and operation.method != "GET":
        yield {
            "name": "If-Match",
            "in": "header",
            "required": False,
            "description": "The `ETag` that was read: the change is refused when somebody else has saved since.",
            "schema": {"type": "string"},
            "example": '"3"',
        }
    yield {
        "name": "Accept-Language",
        "in": "header",
        "required": False,
        "description": "The language of error messages: `ko` or `en`.",
        "schema": {"type": "string"},
        "example": "ko",
    }


def _request_body(body: JsonBody | RawBody | FormBody) -> Json:
    if isinstance(body, JsonBody):
        schema = {"$ref": REF.format(name=body.shape.__name__)}
        media = {"schema": schema, "examples": {"example": {"value": body.example}}}
        return {"required": not body.optional, "content": dict.fromkeys(body.media_types, media)}
    if isinstance(body, FormBody):
        media = {"schema": body.schema, "encoding": body.encoding, "examples": {"example": {"value": body.example}}}
        return {"required": True, "content": {"multipart/form-data": media}}
    media = {"schema": {"type": "string"}, "examples": {"example": {"value": body.example}}}
    types = body.media_types or ("application/json",)
    return {"required": False, "description": body.description, "content": dict.fromkeys(types, media)}


def _responses(operation: Operation) -> Json:
    answered = {str(status): _success(operation) for status in (operation.status, *operation.also)}
    if operation.kept:
        answered["304"] = {"description": "It is as `If-None-Match` says.", "headers": {"ETag": _REF_ETAG}}
    return {**answered, **_failures(operation)}


def _success(operation: Operation) -> Json:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *_LIMIT_HEADERS)}
    if operation.idempotent:
        headers["Idempotency-Replayed"] = {"$ref": "#/components/headers/Idempotency-Replayed"}
    if operation.schema is not None:
        content: Json = {
            operation.media_type: {"schema": operation.schema, "examples": {"example": {"value": operation.example}}}
        }
        return {"description": operation.summary, "headers": headers, "content": content}
    if operation.etag or operation.kept:
        headers["ETag"] = _REF_ETAG
    if operation.answers is None:
        schema = {"type": "string"} if operation.example else {"type": "string", "format": "binary"}
        content = {operation.media_type: {"schema": schema, "example": operation.example or "(the file)"}}
        return {"description": operation.summary, "headers": headers, "content": content}
    about: Json = dict(_META)
    if operation.paginated or operation.by_cursor:
        about["pagination"] = _PAGINATION if operation.paginated else _BY_CURSOR
    if operation.spends:
        about["creditsUsed"] = 5
    example = {"success": True, "data": operation.example, "meta": about}
    media = {"schema": {"$ref": REF.format(name=_success_name(operation))}, "examples": {"example": {"value": example}}}
    file = {"schema": {"type": "string", "format": "binary"}, "example": "(the file)"}
    further = dict.fromkeys(operation.also_as, file)
    return {"description": operation.summary, "headers": headers, "content": {"application/json": media, **further}}


def _failures(operation: Operation) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in errors_of(operation):
        by_status.setdefault(status_of(code), []).append(code)
    if "PROVIDER_API_ERROR" in operation.errors:
        by_status.setdefault(502, []).append("PROVIDER_API_ERROR")
    return {str(status): _failure(codes) for status, codes in sorted(by_status.items())}


def _failure(codes: Sequence[str]) -> Json:
    examples = {
        code: {"value": {"success": False, "error": msgspec.to_builtins(example_error(code)), "meta": _META}} for code in codes
    }
    media = {"schema": {"$ref": REF.format(name="Failure")}, "examples": examples}
    names = ["X-Request-Id", *_LIMIT_HEADERS]
    names += ["WWW-Authenticate"] if "UNAUTHORIZED" in codes else []
    names += ["Retry-After"] if any(example["value"]["error"].get("retryAfter") for example in examples.values()) else []
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"description": ", ".join(f"`{code}`" for code in codes), "headers": headers, "content": {"application/json": media}}


def errors_of(operation: Operation) -> Sequence[str]:
    """Every code that the operation can answer: its own, and those that follow from what it is."""
    codes = [*operation.errors]
    if operation.access is not None:
        codes.append("UNAUTHORIZED")
        if operation.access.audience is Audience.API:
            codes.append("INSUFFICIENT_PERMISSIONS")
    codes += ["NOT_ACCEPTABLE"] if operation.also_as else []
    codes += ["STALE_VERSION"] if operation.etag and operation.method != "GET" else []
    codes += ["PORTRAIT_NOT_FOUND", "NOT_FOUND"] if "portrait_id" in operation.path else []
    codes += ["NOT_FOUND"] if ":str" in operation.path else []
    if operation.body is not None:
        codes += ["REQUEST_TIMEOUT"]
        codes += ["VALIDATION_ERROR", "PAYLOAD_TOO_LARGE"] if not isinstance(operation.body, FormBody) else ["VALIDATION_ERROR"]
        codes += ["MALFORMED_JSON", "UNSUPPORTED_MEDIA_TYPE"] if isinstance(operation.body, JsonBody) else []
        takes_csv = isinstance(operation.body, RawBody) and "text/csv" in operation.body.media_types
        codes += ["MALFORMED_CSV", "UNSUPPORTED_MEDIA_TYPE"] if takes_csv else []
    codes += ["IDEMPOTENCY_KEY_REUSED", "REQUEST_IN_PROGRESS"] if operation.idempotent else []
    return list(dict.fromkeys([*codes, *(_EVERYWHERE if operation.prefix else ("INTERNAL_ERROR",))]))


def _components(operations: Sequence[Operation]) -> Json:
    """The schemas by readable names: msgspec names a generic type by its whole module path."""
    shapes: list[Any] = [Failure, Pagination, CropBody]
    shapes += [operation.body.shape for operation in operations if isinstance(operation.body, JsonBody)]
    envelopes = {Success[operation.answers]: _success_name(operation) for operation in operations if operation.answers}  # type: ignore[name-defined]
    references, components = msgspec.json.schema_components([*shapes, *envelopes], ref_template=REF)
    names = {name: name.removesuffix("Shape") for name in components}
    for reference, name in zip(references[len(shapes) :], envelopes.values(), strict=True):
        names[reference["$ref"].rpartition("/")[2]] = name
    return _renamed(components, names)


def _renamed(components: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    """Also where they are referred to."""
    text = msgspec.json.encode(_as_others_read(components)).decode()
    for old, new in names.items():
        text = text.replace(f'"{REF.format(name=old)}"', f'"{REF.format(name=new)}"')
    renamed: Json = msgspec.json.decode(text)
    return {names[old]: {**schema, "title": names[old]} for old, schema in renamed.items()}


def _as_others_read(schema: Any) -> Any:
    """With `$` at the end of a pattern, as JSON Schema has it. Ours say `\\Z`: in Python `$` takes one more line break."""
    if isinstance(schema, Mapping):
        return {
            key: re.sub(r"\\Z$", "$", value) if key == "pattern" and isinstance(value, str) else _as_others_read(value)
            for key, value in schema.items()
        }
    return [_as_others_read(each) for each in schema] if isinstance(schema, list | tuple) else schema


def _success_name(operation: Operation) -> str:
    inner = get_args(operation.answers)
    shape: Any = inner[0] if inner else operation.answers
    return f"Success{'List' if inner else ''}{shape.__name__.removesuffix('Shape')}"


def _without_null(schema: Json) -> Json:
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return {**choices[0]} if choices else schema


_REF_ETAG: Final[Json] = {"$ref": "#/components/headers/ETag"}
_SECURITY: Final[Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_ASKED: Final = {
    **{
        name: f"Only those of this {name}."
        for name in ("category", "kind", "product", "provider", "purpose", "role", "state", "status", "topic", "action")
    },
    **dict.fromkeys(("userId", "clientId", "projectId"), "Only those of this one's."),
    "actorId": "Only what this one did.",
    "subject": "Only what was done to this one: `user:<id>`.",
    "since": "Not before this time, with its offset.",
    "until": "Before this time, with its offset.",
    "handled": "Only those that were handled, or only those that were not.",
    "window": "Of how many of the last minutes the numbers are.",
    "purchase": "As in the address that the provider was given.",
    "proof": "As in the address that the provider was given.",
    "page": "Which page, from 1.",
    "limit": "How many on a page.",
    "cursor": "`meta.pagination.nextCursor` of the page before; none begins at the newest.",
}
_LIMIT_HEADERS: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")
_HEADERS: Final[Json] = {
    "X-Request-Id": {"description": "The request's id: yours, or one that was made.", "schema": {"type": "string"}},
    "RateLimit-Limit": {"description": "Calls allowed in the window.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "Calls left in the window.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until the window starts anew.", "schema": {"type": "integer"}},
    "RateLimit-Policy": {
        "description": "Which limit: the tightest of this call's.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "`Bearer`: how to show who you are.", "schema": {"type": "string"}},
    "ETag": {"description": "The version of what was answered.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true` when this is the first answer again.", "schema": {"type": "string"}},
}
_PAGINATION: Final = {"page": 1, "limit": 20, "total": 40, "totalPages": 2, "hasNext": True, "hasPrev": False}
_BY_CURSOR: Final = {"limit": 20, "nextCursor": "01997f2e6c007a109c3e0242ac120002"}
_INTRODUCTION: Final = (
    "One backend for AI-powered products.\n\n"
    "Every answer is an envelope: `{success, data, meta}`, or `{success, error, meta}`. Names are camelCase, ids UUIDs, times "
    "ISO 8601 with an offset, money an integer in the currency's minor unit. Quote `meta.requestId` when you ask for help.\n\n"
    "Send an `Idempotency-Key` with every POST that creates something, and the same one when you try again."
)
