"""The means of payment that PortOne keeps: billing keys. It charges one for whoever asks, so its owner is asked for first."""

from madang.adapters.portone import payload
from madang.adapters.portone.calls import API_SECONDS, Patience, PortOneCalls, payment_path, read, segment
from madang.adapters.portone.capabilities import NAME
from madang.adapters.portone.mapping import error_of
from madang.adapters.portone.reading import method_of, payment_of
from madang.ports.errors import OutcomeUnknown, PortError, ProviderError, Rejected
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


class PortOneStoredMethods(PortOneCalls):
    """The stored means of payment of `PaymentGateway`."""

    async def open_method_window(self, request: StoreMethodRequest) -> Checkout:
        """The browser brings back `billingKey`, which is the client key."""
        return Checkout(None, client_params=payload.method_window_of(request, self._settings))

    async def keep_method(self, request: KeepMethodRequest) -> StoredMethod:
        """The billing key exists once the window has closed: this only asks whose it is."""
        return await self._owned(request.client_key, request.customer_id, "keep_method", request.timeout)

    async def charge(self, request: ChargeRequest) -> PaymentSnapshot:
        patience, body = Patience(request.timeout), payload.charge_of(request, self._settings)
        path = payment_path(request.payment_id, "charge")
        await self._owned(request.token.reveal(), request.customer_id, "charge", patience.left)
        refusal: PortError | None = None
        try:
            answer = await self._do("charge", f"{path}/billing-key", patience.left, body, request.idempotency_key)
            if not isinstance(answer.fields.get("payment"), dict):
                raise OutcomeUnknown("the answer cannot be read", provider=NAME, operation="charge")
        except (Rejected, OutcomeUnknown) as error:
            if error.code not in ("ALREADY_PAID", "PG_PROVIDER"):
                raise
            refusal = error
        return await self._charged(request, path, patience, refusal)

    async def forget_method(self, customer_id: str, token: Secret) -> None:
        path, params = f"/billing-keys/{segment(token.reveal(), 'forget_method')}", {"storeId": self._settings.store_id}
        answer = await self._client.call("forget_method", "DELETE", path, API_SECONDS, params=params)
        if answer.status == 200:
            return
        error = error_of(answer.status, answer.headers, answer.fields, "forget_method", asks=False)
        if not isinstance(error, Rejected) or error.reason != "not_found":
            raise error

    async def _owned(self, token: str, customer_id: str, operation: str, seconds: float) -> StoredMethod:
        document = await self._ask(operation, f"/billing-keys/{segment(token, operation)}", seconds)
        method = read(operation, lambda: method_of(document), asks=True)
        if method is None or method.customer_id != customer_id:
            raise payload.rejected("this customer has no such billing key", "not_found", operation)
        return method

    async def _charged(
        self, request: ChargeRequest, path: str, patience: Patience, refusal: PortError | None
    ) -> PaymentSnapshot:
        """The payment as it is after the charge, or after what PortOne said instead."""
        try:
            document = await self._ask("charge", path, patience.left)
            made = payment_of(document)
        except (ProviderError, ValueError):
            if refusal is not None and isinstance(refusal, OutcomeUnknown):
                raise refusal from None
            raise OutcomeUnknown("the payment cannot be looked up", provider=NAME, operation="charge") from None
        if made.status is RemotePaymentStatus.FAILED:
            raise Rejected("the card was declined", reason="declined", provider=NAME, operation="charge", code=made.failure)
        if refusal is not None and (made.amount != request.amount or made.paid_at is None):
            raise refusal
        return made
