"""The part of the in-memory payment gateway that keeps means of payment, and charges them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    Checkout,
    KeepMethodRequest,
    PaymentSnapshot,
    RemotePaymentStatus,
    StoredMethod,
    StoreMethodRequest,
)
from madang.ports.secret import Secret


@dataclass(slots=True)
class Kept:
    """One means of payment: `method` is there once the client key was spent (under `spent_with`)."""

    customer_id: str
    client_key: str
    spent_with: str | None = None
    method: StoredMethod | None = None
    declining: bool = False


class MemoryStoredMethods(MemoryProvider):
    """`leave` is what the person does in the window, `decline` what the card company says from then on."""

    def leave(self, url: str) -> str:
        """The person agrees: the address that the browser comes back to, with `clientKey` and `customerId` in its query."""
        request: StoreMethodRequest = self._windows[url]
        key = f"key-{url.rpartition('/')[2]}"
        self._kept.setdefault(key, Kept(request.customer_id, key))
        query = urlencode({"clientKey": key, "customerId": request.customer_id})
        return f"{request.success_url}{'&' if '?' in request.success_url else '?'}{query}"

    def decline(self, token: Secret) -> None:
        """Every later charge of it is declined."""
        self._of(token, "charge").declining = True

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        def make(identity: str) -> Checkout:
            url = f"{self._context.base_url}/memory/methods/{identity}"
            self._windows[url] = request
            return Checkout(url)

        return await self.world.effect(
            "payment.open_method_window", lambda: self.world.once("payment.method", request, make), request.timeout
        )

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        def act() -> StoredMethod:
            kept = self._kept.get(request.client_key)
            strange = kept is None or kept.customer_id != request.customer_id
            if kept is None or strange or kept.spent_with not in (None, request.idempotency_key):
                raise rejected("this key means nothing for this customer", "not_found", "keep_method")
            if kept.method is None:
                kept.spent_with = request.idempotency_key
                kept.method = StoredMethod(Secret(self.world.next_id("token")), request.customer_id, "card **** 1234")
            return kept.method

        return await self.world.effect("payment.keep_method", act, request.timeout)

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        if request.amount.amount <= 0:
            raise rejected("an amount is more than nothing", "invalid_request", "charge")
        snapshot = await self.world.effect("payment.charge", lambda: self._charge(request), request.timeout)
        if snapshot.status is RemotePaymentStatus.FAILED:
            raise rejected("the card was declined", "declined", "charge")
        return snapshot

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        def act() -> None:
            for key, kept in list(self._kept.items()):
                if kept.method is not None and (kept.customer_id, kept.method.token) == (customer_id, token):
                    self._kept[key] = replace(kept, method=None, spent_with="")

        await self.world.effect("payment.forget_method", act)

    def _charge(self, request: ChargeRequest) -> PaymentSnapshot:
        payments, opened = self.world.shelf("payment"), self.world.shelf("payment.opened")
        charges: dict[str, tuple[str, ChargeRequest]] = self.world.shelf("payment.charges")
        reference, former = charges.get(request.payment_id, (None, request))
        if (former.customer_id, former.amount) != (request.customer_id, request.amount):
            raise rejected("this payment id was used for another charge", "invalid_request", "charge")
        made: PaymentSnapshot | None = payments.get(reference or "")
        failed = made is not None and made.status is RemotePaymentStatus.FAILED
        if made is not None and not (failed and former.idempotency_key != request.idempotency_key):
            return made
        kept = self._of(request.token, "charge", request.customer_id)
        identity = reference or self.world.next_id("payment")
        charged = payments[identity] = _charged(identity, request, declined=kept.declining)
        opened.setdefault(identity, datetime.now(UTC))
        charges[request.payment_id] = (identity, request)
        return charged

    def _of(self, token: Secret, operation: str, customer_id: str | None = None) -> Kept:
        for kept in self._kept.values():
            if kept.method is not None and kept.method.token == token and customer_id in (None, kept.customer_id):
                return kept
        raise rejected("this customer has no such means of payment", "not_found", operation)

    @property
    def _windows(self) -> dict[str, StoreMethodRequest]:
        return self.world.shelf("payment.windows")

    @property
    def _kept(self) -> dict[str, Kept]:
        return self.world.shelf("payment.kept")


def _charged(reference: str, request: ChargeRequest, *, declined: bool) -> PaymentSnapshot:
    return PaymentSnapshot(
        reference,
        RemotePaymentStatus.FAILED if declined else RemotePaymentStatus.PAID,
        request.amount,
        Money.zero(request.amount.currency),
        request.payment_id,
        None if declined else datetime.now(UTC),
        "card",
        "declined" if declined else None,
    )
