"""A customer with an account, by HTTP alone: credits bought, a plan subscribed to, money given back, and the papers of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx

from madang.entrypoints.cli.demo_journey import Progress, bearer, right
from madang.entrypoints.cli.deployment import CliError
from madang.entrypoints.cli.web_forms import submit

PACK: Final = "credits-1000"
PLAN: Final = "publishing-business"
GIVEN_BACK: Final = 10_000
"""Won, of what the pack cost."""
_PATIENCE: Final = 60.0
_LOOK_EVERY: Final = 0.2

MakeAdmin = Callable[[str], Awaitable[None]]
"""Makes the account with this e-mail address an administrator's."""


@dataclass(frozen=True, slots=True)
class Purchases:
    """`papers` are PDFs by their numbers, `told` is what the API says of everything in the end."""

    told: Mapping[str, Any]
    papers: Mapping[str, bytes]


@dataclass(slots=True)
class _Account:
    email: str
    password: str
    token: str


class Customer:
    """`make_admin` is None for a deployment of somebody else's: there nobody may give money back."""

    def __init__(self, client: httpx.AsyncClient, *, language: str, progress: Progress, make_admin: MakeAdmin | None) -> None:
        self._client = client
        self._language = language
        self._progress = progress
        self._make_admin = make_admin

    async def go(self) -> Purchases:
        """Raises `CliError` with the API's own words where a step is refused."""
        customer = await self._register("customer")
        payment_id = await self._buy_credits(customer)
        subscription = await self._subscribe(customer)
        refund = await self._give_back(payment_id) if self._make_admin is not None else None
        return await self._papers(customer, subscription, refund)

    async def _register(self, who: str) -> _Account:
        self._progress(5, "signing up")
        account = _Account(f"{who}-{token_hex(4)}@demo.example", token_urlsafe(18), "")
        body = {"email": account.email, "password": account.password, "locale": self._language}
        account.token = (await self._api("", "POST", "/auth/register", json=body))["accessToken"]
        return account

    async def _buy_credits(self, customer: _Account) -> str:
        self._progress(15, "buying 1,000 credits")
        checkout = await self._api(customer.token, "POST", "/checkouts", json={"creditPackId": PACK, **self._sale("/paid")})
        page = right(await self._client.get(checkout["url"]))
        await submit(self._client, page, wanted=lambda form: ("action", "pay") in form.buttons, button=("action", "pay"))
        await self._balance_of(customer, 1000)
        return str(checkout["paymentId"])

    async def _subscribe(self, customer: _Account) -> Mapping[str, Any]:
        """The browser brings back the key of the card that was left, and the first period is charged to it."""
        self._progress(40, "subscribing to a plan")
        begun = await self._api(customer.token, "POST", "/subscriptions", json={"planId": PLAN, **self._sale("/subscribed")})
        page = right(await self._client.get(begun["checkout"]["url"]))
        back = await submit(
            self._client, page, wanted=lambda form: ("action", "agree") in form.buttons, button=("action", "agree")
        )
        [key] = parse_qs(urlsplit(str(back.url)).query).get("clientKey", [""])
        path = f"/subscriptions/{begun['id']}"
        await self._api(customer.token, "POST", f"{path}/activate", json={"clientKey": key})
        active = "the subscription begins"
        subscription: Mapping[str, Any] = await self._until(customer, path, lambda told: told["status"] == "active", active)
        await self._balance_of(customer, 1000 + subscription["credits"])
        return subscription

    async def _give_back(self, payment_id: str) -> Mapping[str, Any]:
        """By an administrator: nobody refunds oneself."""
        self._progress(65, "giving a part back")
        admin = await self._register("admin")
        if self._make_admin is not None:
            await self._make_admin(admin.email)
        body = {"email": admin.email, "password": admin.password}
        admin.token = (await self._api("", "POST", "/auth/login", json=body))["accessToken"]
        wanted = {"amount": {"amount": GIVEN_BACK, "currency": "KRW"}, "reason": "a demonstration"}
        refund = await self._api(admin.token, "POST", f"/payments/{payment_id}/refunds", json=wanted)
        path = f"/payments/{payment_id}/refunds/{refund['id']}"
        done: Mapping[str, Any] = await self._until(
            admin, path, lambda told: told["status"] == "succeeded", "the money goes back"
        )
        return done

    async def _papers(self, customer: _Account, subscription: Mapping[str, Any], refund: Mapping[str, Any] | None) -> Purchases:
        """Issued by the worker, moments after the money moved."""
        self._progress(90, "printing the invoices")
        due = 2 if refund is None else 3
        invoices = await self._until(customer, "/invoices", lambda told: len(told) >= due, "the invoices are issued")
        papers = {each["number"]: await self._pdf(customer, each["id"]) for each in invoices}
        balance = await self._api(customer.token, "GET", "/credits/balance")
        told = {"credits": balance, "subscription": subscription, "refund": refund, "invoices": invoices}
        return Purchases(told, papers)

    async def _pdf(self, customer: _Account, invoice_id: str) -> bytes:
        headers = {**bearer(customer.token), "Accept": "application/pdf"}
        return right(await self._client.get(f"/api/v1/invoices/{invoice_id}", headers=headers)).content

    async def _balance_of(self, customer: _Account, count: int) -> None:
        await self._until(customer, "/credits/balance", lambda told: told["balance"] >= count, "the credits arrive")

    async def _until(self, account: _Account, path: str, done: Callable[[Any], bool], what: str) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while not done(told := await self._api(account.token, "GET", path)):
            if time.monotonic() > deadline:
                raise CliError(f"{what}, but not within {_PATIENCE:.0f} s: is a worker running?")
            await asyncio.sleep(_LOOK_EVERY)
        return told

    def _sale(self, path: str) -> Mapping[str, str]:
        base_url = str(self._client.base_url).rstrip("/")
        return {"currency": "KRW", "country": "KR", "successUrl": f"{base_url}{path}", "cancelUrl": f"{base_url}/"}

    async def _api(self, token: str, method: str, path: str, **request: Any) -> Any:
        headers = {**bearer(token), **({"Idempotency-Key": str(uuid4())} if method == "POST" else {})}
        response = right(await self._client.request(method, f"/api/v1{path}", headers=headers, **request))
        return response.json()["data"]


def paper_names(purchases: Purchases) -> Sequence[tuple[str, str, bytes]]:
    """File name, what it is, and its content."""
    kinds = {"invoice": "an invoice", "credit_note": "the credit note of what was given back"}
    told = {each["number"]: kinds[each["kind"]] for each in purchases.told["invoices"]}
    return [(f"{number}.pdf", told[number], paper) for number, paper in sorted(purchases.papers.items())]
