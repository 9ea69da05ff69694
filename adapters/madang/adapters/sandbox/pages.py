"""The sandbox's own web: the checkout, the phone, the letter-boxes, the finished pictures and the knobs.

`create_app` is what is mounted at `/sandbox`. It also sends the webhooks that are due: from its start where the server passes
lifespan events on, else from its first request.
"""

import asyncio
import dataclasses
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Litestar, MediaType, Request, Response, get, post, put
from litestar.datastructures import State
from litestar.enums import RequestEncodingType

from madang.adapters.sandbox import feed, knobs, messages, payments, predictions, stored
from madang.adapters.sandbox.darkroom import MEDIA_TYPE, develop
from madang.adapters.sandbox.gate import Gate
from madang.adapters.sandbox.payments import RemotePayment
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.stored import Window
from madang.adapters.sandbox.views import HERE, amount_text, message_view, render
from madang.adapters.sandbox.webhooks import Courier, recent_deliveries
from madang.adapters.sandbox.wording import language_of, say
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, Rejected

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Visit = Request[Any, Any, State]

MOUNT: Final = "/sandbox"
METHODS: Final = ("card", "easy_pay", "transfer", "phone")
ROOMS: Final = {"sms": "sms", "emails": "email", "chat": "chat", "social": "social"}
LATER_SECONDS: Final = 10.0
ADDRESS: Final = re.compile(r"https?://[!-~]+")
PICTURE: Final = re.compile(r"(?P<number>[0-9])\.jpg")
HEADERS: Final = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def create_app(settings: SandboxSettings, context: ProviderContext) -> AsgiApp:
    """The ASGI application to mount at `/sandbox`."""
    gate = Gate(settings, context)
    return SandboxPages(gate, Courier(settings, context, gate, chore=predictions.forget_old))


class SandboxPages:
    """Takes the mount's prefix off where the server left it on, and keeps the courier going."""

    def __init__(self, gate: Gate, courier: Courier) -> None:
        self._courier = courier
        self._gate = gate

    @cached_property
    def _app(self) -> Litestar:
        """Composed when a page is first asked for: most processes show none."""
        handlers = [
            *(index, checkout, pay, authorize, agree, room, file, asset, method_window, leave_method),
            *(room_list, payment_list, delivery_list, call_list, read_knobs, change_knobs),
        ]
        return Litestar(
            route_handlers=handlers,
            state=State({"gate": self._gate, "courier": self._courier}),
            openapi_config=None,
            logging_config=None,
            exception_handlers={Rejected: _show_rejected, Misconfigured: _show_misconfigured},
            response_headers=HEADERS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        self._courier.start()
        path = str(scope["path"])
        local = path.removeprefix(MOUNT) if path == MOUNT or path.startswith(MOUNT + "/") else path
        inner = {**scope, "path": local or "/", "root_path": "", "state": {}, "app": self._app}
        await self._app(inner, receive, send)  # type: ignore[arg-type]

    async def close(self) -> None:
        """Stop sending and close the world's file; for servers that pass no lifespan events on."""
        await self._courier.stop()
        await self._gate.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._courier.start()
            else:
                await self.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


@get("/")
async def index(request: Visit) -> Response[bytes]:
    def look(connection: sqlite3.Connection) -> dict[str, Any]:
        counts = {name: len(messages.recent(connection, channel, 1000)) for name, channel in ROOMS.items()}
        return {"rooms": counts, "payments": payments.recent(connection), "deliveries": recent_deliveries(connection)}

    return _page("index.html", _language(request), **await _gate(request).world.run(look))


@get("/checkout/{reference:str}")
async def checkout(request: Visit) -> Response[bytes]:
    reference = _place(request, "reference")
    payment = await _acting(request, lambda c, now: payments.get(c, now, reference))
    return _checkout_page(payment)


@post("/checkout/{reference:str}/pay", status_code=200)
async def pay(request: Visit) -> Response[bytes]:
    """The person's click, or as JSON: `action` pay, decline, cancel; `method`; `webhook` now, later, twice, lost; `stay`."""
    reference = _place(request, "reference")
    wishes = await _wishes(request)

    def act(connection: sqlite3.Connection, now: SandboxSettings) -> RemotePayment:
        return _act(connection, _with_webhook(now, str(wishes.get("webhook", "now"))), reference, wishes)

    payment = await _acting(request, act)
    _courier(request).wake()
    target = _way_on(payment, bool(wishes.get("stay")))
    if _is_json(request):
        return _json({"reference": reference, "paymentId": payment.payment_id, "status": payment.status, "redirectTo": target})
    return Response(b"", status_code=303, headers={"location": target})


@get("/methods/{reference:str}")
async def method_window(request: Visit) -> Response[bytes]:
    """Where a person leaves a card for later charges."""
    reference = _place(request, "reference")
    window = await _acting(request, lambda c, _: stored.get(c, reference))
    return _page("method.html", _locale(window.locale), window=window)


@post("/methods/{reference:str}/agree", status_code=200)
async def leave_method(request: Visit) -> Response[bytes]:
    """The person's click, or as JSON: `action` agree or cancel."""
    reference = _place(request, "reference")
    wishes = await _wishes(request)

    def act(connection: sqlite3.Connection, now: SandboxSettings) -> Window:
        if wishes.get("action", "agree") == "cancel":
            return stored.cancel(connection, reference)
        return stored.agree(connection, now, reference)

    window = await _acting(request, act)
    if _is_json(request):
        return _json({"reference": reference, "status": window.status, "redirectTo": window.way_on})
    return Response(b"", status_code=303, headers={"location": window.way_on})


@get("/authorize")
async def authorize(request: Visit) -> Response[bytes]:
    """Where a person connects an account of the simulated network: whoever types a name has it."""
    wanted = {name: request.query_params.get(name, "") for name in ("redirect_uri", "state", "code_challenge")}
    return _page("authorize.html", _language(request), wanted=wanted)


@post("/authorize", status_code=200)
async def agree(request: Visit) -> Response[bytes]:
    wishes = await _wishes(request)
    handle = re.sub(r"[^a-z0-9_.]", "", str(wishes.get("handle", "")).lower())[:30] or "sandbox_member"
    redirect_uri, challenge = str(wishes.get("redirect_uri", "")), str(wishes.get("code_challenge", ""))
    if not ADDRESS.fullmatch(redirect_uri):
        raise Misconfigured("redirect_uri is not a web address", provider="sandbox", operation="authorize")
    code = await _acting(request, lambda c, _: feed.give_code(c, handle, challenge, redirect_uri))
    query = urlencode({"code": code, "state": wishes.get("state", "")})
    target = f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
    return _json({"redirectTo": target}) if _is_json(request) else Response(b"", status_code=303, headers={"location": target})


@get("/{name:str}")
async def room(request: Visit) -> Response[bytes]:
    name = _place(request, "name")
    if name not in ROOMS:
        return _not_found(request)
    shown = await _gate(request).world.run(lambda c: [message_view(message) for message in messages.recent(c, ROOMS[name])])
    template = "sms.html" if name == "sms" else "letters.html"
    return _page(template, _language(request), messages=shown, channel=name)


@get("/api/{name:str}")
async def room_list(request: Visit) -> Response[bytes]:
    """What arrived, the newest first, as JSON: `/sandbox/api/sms`, `emails`, `chat`, `social`; `?key=` and `?to=` narrow it."""
    name = _place(request, "name")
    if name not in ROOMS:
        return _not_found(request)
    found = await _gate(request).world.run(
        lambda c: [message_view(message) for message in messages.recent(c, ROOMS[name], 1000)]
    )
    for parameter, field in (("key", "key"), ("to", "recipient")):
        wanted = request.query_params.get(parameter)
        found = [message for message in found if wanted is None or message[field] == wanted]
    return _json(found)


@get("/api/payments")
async def payment_list(request: Visit) -> Response[bytes]:
    found = await _gate(request).world.run(payments.recent)
    return _json([payments.event_data(payment) for payment in found])


@get("/api/deliveries")
async def delivery_list(request: Visit) -> Response[bytes]:
    return _json(await _gate(request).world.run(recent_deliveries))


@get("/api/calls")
async def call_list(request: Visit) -> Response[bytes]:
    """The latest calls to the simulated providers, the newest first, with the fault that each met."""
    sql = "SELECT number, at, operation, key, fault, process FROM calls ORDER BY number DESC LIMIT 1000"
    return _json(await _gate(request).world.run(lambda c: [dict(row) for row in c.execute(sql)]))


@get("/knobs")
async def read_knobs(request: Visit) -> Response[bytes]:
    return _json(await _acting(request, lambda _, now: knobs.shown(now)))


@put("/knobs")
async def change_knobs(request: Visit) -> Response[bytes]:
    """Change some: `{"latency": 0.2, "faults": "sms.send:unavailable@2"}`; null puts one back to its setting."""
    wanted = await _json_of(request)
    if not isinstance(wanted, dict):
        raise Misconfigured("the body is an object of knobs", provider="sandbox", operation="knobs")
    changed = await _acting(request, lambda c, _: knobs.change(c, _gate(request).settings, wanted))
    return _json(knobs.shown(changed))


@get("/files/{prediction:str}/{name:str}")
async def file(request: Visit) -> Response[bytes]:
    prediction = _place(request, "prediction")
    named = PICTURE.fullmatch(_place(request, "name"))
    if named is None:
        return _not_found(request)
    number = int(named["number"])
    found, data = await _gate(request).world.run(lambda c: predictions.negative(c, prediction, number))
    picture = await asyncio.to_thread(develop, data, found.prompt, found.seed, found.size, number)
    return Response(picture, media_type=MEDIA_TYPE)


@get("/assets/sandbox.css", sync_to_thread=False)
def asset() -> Response[bytes]:
    content = (HERE / "assets" / "sandbox.css").read_bytes()
    return Response(content, media_type=MediaType.CSS, headers={"cache-control": "public, max-age=300"})


def _act(connection: sqlite3.Connection, now: SandboxSettings, reference: str, wishes: dict[str, Any]) -> RemotePayment:
    action = wishes.get("action", "pay")
    if action == "decline":
        return payments.decline(connection, now, reference)
    if action == "cancel":
        return payments.cancel(connection, now, reference)
    if action != "pay":
        raise Misconfigured("action is pay, decline or cancel", provider="sandbox", operation="checkout")
    method = wishes.get("method", METHODS[0])
    return payments.pay(connection, now, reference, method if method in METHODS else METHODS[0])


def _with_webhook(now: SandboxSettings, choice: str) -> SandboxSettings:
    match choice:
        case "later":
            return dataclasses.replace(now, webhook_delay=now.webhook_delay + LATER_SECONDS)
        case "twice":
            return dataclasses.replace(now, webhook_duplicates=now.webhook_duplicates + 1)
        case "lost":
            return dataclasses.replace(now, webhook_loss=1.0)
    return now


def _way_on(payment: RemotePayment, stay: bool) -> str:
    """Where the browser goes: back to the shop, or to this checkout again while another card may be tried."""
    if stay or payment.status == "failed":
        return f"{MOUNT}/checkout/{payment.reference}"
    return payment.success_url if payment.status in payments.PAID else payment.cancel_url


def _checkout_page(payment: RemotePayment) -> Response[bytes]:
    language = _locale(payment.locale)
    return _page(
        "checkout.html",
        language,
        payment=payment,
        amount=amount_text(payment.amount, language),
        payable=payment.payable,
        methods=METHODS,
        back=(payment.success_url if payment.status in payments.PAID else payment.cancel_url) or MOUNT,
    )


def _locale(locale: str) -> str:
    return "en" if locale.startswith("en") else "ko"


async def _acting(request: Visit, act: Callable[[sqlite3.Connection, SandboxSettings], Any]) -> Any:
    gate = _gate(request)
    return await gate.world.run(lambda connection: act(connection, knobs.current(connection, gate.settings)))


async def _wishes(request: Visit) -> dict[str, Any]:
    if not _is_json(request):
        return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    body = await _json_of(request)
    return body if isinstance(body, dict) else {}


async def _json_of(request: Visit) -> Any:
    try:
        return json.loads(await request.body() or b"null")
    except (ValueError, RecursionError):
        raise Misconfigured("the body is not JSON", provider="sandbox", operation="pages") from None


def _is_json(request: Visit) -> bool:
    return request.content_type[0] not in (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)


def _place(request: Visit, name: str) -> str:
    return str(request.path_params[name])


def _gate(request: Visit) -> Gate:
    gate: Gate = request.app.state["gate"]
    return gate


def _courier(request: Visit) -> Courier:
    courier: Courier = request.app.state["courier"]
    return courier


def _language(request: Visit) -> str:
    return language_of(request.headers.get("accept-language", ""))


def _page(template: str, language: str, **values: object) -> Response[bytes]:
    return Response(render(template, language, **values), media_type=MediaType.HTML)


def _json(value: object, status: int = 200) -> Response[bytes]:
    return Response(json.dumps(value, ensure_ascii=False).encode(), media_type=MediaType.JSON, status_code=status)


def _not_found(request: Visit) -> Response[bytes]:
    return _problem("NOT_FOUND", say(_language(request), "not_found"), 404)


def _problem(code: str, message: str, status: int) -> Response[bytes]:
    return _json({"success": False, "error": {"code": code, "message": message, "retryable": False}}, status)


def _show_rejected(_: Visit, error: Rejected) -> Response[bytes]:
    status = 404 if error.reason == "not_found" else 409
    return _problem(error.reason.upper(), error.message, status)


def _show_misconfigured(_: Visit, error: Misconfigured) -> Response[bytes]:
    return _problem("VALIDATION_ERROR", error.message, 400)
