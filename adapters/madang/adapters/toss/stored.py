"""The cards that Toss keeps: billing keys, each charged with the customer's id that it was issued for."""

import time

from madang.adapters.toss import payload
from madang.adapters.toss.calls import API_SECONDS, TossCalls, read, segment
from madang.adapters.toss.reading import method_of, payment_of
from madang.ports.errors import Rejected
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


class TossStoredMethods(TossCalls):
    """The stored means of payment of `PaymentGateway`."""

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        """The browser brings back `authKey` and `customerKey`."""
        return Checkout(None, client_params=payload.method_window_of(request, self._settings))

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        answer = await self._call(
            "keep_method",
            "POST",
            "/v1/billing/authorizations/issue",
            request.timeout,
            body=payload.key_exchange_of(request),
            key=request.idempotency_key,
        )
        kept = read("keep_method", lambda: method_of(answer.fields))
        if kept.customer_id != request.customer_id:
            raise payload.rejected("this customer has no such billing key", "not_found", "keep_method")
        return kept

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        started, body = time.monotonic(), payload.charge_of(request)
        path = f"/v1/billing/{segment(request.token.reveal(), 'charge')}"
        try:
            answer = await self._call("charge", "POST", path, request.timeout, body=body, key=request.idempotency_key)
        except Rejected as refusal:
            if refusal.reason != "already_paid":
                raise
            order = f"/v1/payments/orders/{segment(request.payment_id, 'charge')}"
            return await self._made_before("charge", order, request.amount, refusal, started, request.timeout)
        paid = read("charge", lambda: payment_of(answer.fields))
        if paid.status is RemotePaymentStatus.FAILED:
            raise Rejected("the card was declined", reason="declined", provider="toss", operation="charge", code=paid.failure)
        return paid

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        """Toss deletes a billing key by itself, whoever's it is; one that is gone is told apart by its code."""
        try:
            await self._call("forget_method", "DELETE", f"/v1/billing/{segment(token.reveal(), 'forget_method')}", API_SECONDS)
        except Rejected as refusal:
            if refusal.reason != "not_found":
                raise
