"""Conformance of a payment gateway that keeps means of payment for charges with nobody at the keyboard."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

import pytest

from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import EFFECT_ERRORS, ENDLESS, NOTHING_DONE, READ_ERRORS, Stage, outcome, raised
from madang.plugins.conformance.suite import ProviderConformance
from madang.ports.errors import Rejected, Unsupported
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    Checkout,
    KeepMethodRequest,
    PaymentGateway,
    PaymentSnapshot,
    RemotePaymentStatus,
    StoredMethod,
    StoreMethodRequest,
)
from madang.ports.provider import ProviderKind
from madang.ports.secret import Secret

PRICES: Final = (Money(9900, "KRW"), Money(990, "USD"), Money(990, "JPY"))
"""Currencies with and without a decimal place: 9,900 won, 9.90 dollars, 990 yen."""
EMAIL: Final = "buyer@example.com"
CUSTOMER: Final = "customer-1"
WINDOW: Final = StoreMethodRequest(
    CUSTOMER, "https://shop.example/kept?id=1", "https://shop.example/no", "window-1", EMAIL, "김마당"
)


class StoredMethodConformance(ProviderConformance):
    """Give `leave_method` and `exhaust` where the gateway keeps means of payment."""

    kind = ProviderKind.PAYMENT
    unknown_reference: ClassVar[str] = "payment0unknown0to0anybody"
    """In the provider's form, and belongs to nothing."""

    async def leave_method(self, stage: Stage, window: Checkout) -> str:
        """The person goes through the window and agrees. Answers the key that the browser brings back."""
        raise NotImplementedError(f"{type(self).__name__} has no leave_method(stage, window): let your stand-in keep a card")

    async def exhaust(self, stage: Stage, method: StoredMethod) -> None:
        """From now on every charge of this means of payment is declined."""
        raise NotImplementedError(f"{type(self).__name__} has no exhaust(stage, method): let your stand-in decline the card")

    @must("Say where the person leaves a means of payment, and charge nothing; raise Unsupported without stored_methods.")
    async def test_a_window_for_a_means_of_payment_charges_nothing(self, provider: PaymentGateway) -> None:
        self._keeps(provider)
        window = await provider.open_method_window(WINDOW)
        assert window.url or window.client_params
        assert window.reference is None, "there is no payment yet"
        assert not await self._listed(provider)

    @must('A key is spent for its own customer: Rejected(reason="not_found") for another customer, and for an unknown key.')
    async def test_a_key_is_spent_for_its_customer_only(self, stage: Stage, provider: PaymentGateway) -> None:
        self._keeps(provider)
        key = await self.leave_method(stage, await provider.open_method_window(WINDOW))
        request = KeepMethodRequest(CUSTOMER, key, "keep-1")
        strange = (
            replace(request, customer_id="customer-2", idempotency_key="keep-2"),
            replace(request, client_key="unknown0key", idempotency_key="keep-3"),
            replace(request, client_key="../with a space/and?query#x", idempotency_key="keep-4"),
        )
        for wrong in strange:
            error = await raised(self.name, "keep_method", provider.keep_method(wrong), (Rejected,))
            assert getattr(error, "reason", "") == "not_found"
            assert wrong.client_key not in str(error)
        method = await provider.keep_method(request)
        assert method.customer_id == CUSTOMER
        assert method.token
        assert method.label
        assert method.token.reveal() not in repr(method)
        assert (await stage.build().keep_method(request)).token == method.token

    @must("A charge is PAID with our payment id and its whole amount, and is a payment like any other.")
    async def test_a_charge_is_paid_with_our_id_and_amount(self, stage: Stage, provider: PaymentGateway) -> None:
        self._keeps(provider)
        method = await self._kept(stage, provider)
        for number, price in enumerate(self._prices(provider)):
            before = datetime.now(UTC) - timedelta(seconds=2)
            paid = await provider.charge(self._charge(method, f"charge-{number}", price))
            assert paid.status is RemotePaymentStatus.PAID
            assert (paid.amount, paid.refunded) == (price, Money.zero(price.currency))
            assert paid.payment_id == f"charge-{number}"
            assert paid.paid_at is not None
            assert before <= paid.paid_at <= datetime.now(UTC) + timedelta(seconds=2)
            assert await stage.build().fetch(paid.reference) == paid

    @must("Charge once for each payment id, whatever the key and the process: answer the payment as it is, or refuse.")
    async def test_the_same_payment_is_never_charged_twice(self, stage: Stage, provider: PaymentGateway) -> None:
        self._keeps(provider)
        method = await self._kept(stage, provider)
        request = self._charge(method, "charge-1", self._price(provider))
        first = await provider.charge(request)
        if provider.capabilities.idempotent:
            assert await stage.build().charge(request) == first
        again = await outcome(provider.charge(replace(request, idempotency_key="another-key")))
        assert again == first or isinstance(again, Rejected), f"it was {again!r}"
        await self._charged_once(provider, "charge-1", first.reference)

    @must("Refuse a charge of nothing, and of a means of payment that is not this customer's, as Rejected.")
    async def test_what_cannot_be_charged_is_refused(self, stage: Stage, provider: PaymentGateway) -> None:
        self._keeps(provider)
        method = await self._kept(stage, provider)
        price = self._price(provider)
        for amount in (Money(0, price.currency), Money(-1, price.currency)):
            call = provider.charge(self._charge(method, "charge-1", amount))
            error = await raised(self.name, "charge", call, (Rejected,))
            assert getattr(error, "reason", "") == "invalid_request"
        for strange in (replace(method, customer_id="customer-2"), replace(method, token=Secret(self.unknown_reference))):
            call = provider.charge(self._charge(strange, "charge-2", price))
            error = await raised(self.name, "charge", call, (Rejected,))
            assert getattr(error, "reason", "") == "not_found"
            assert method.token.reveal() not in str(error)
        assert not await self._listed(provider)

    @must('A declined card is Rejected(reason="declined"): nothing is paid, and no later look says otherwise.')
    async def test_a_declined_charge_pays_nothing(self, stage: Stage, provider: PaymentGateway) -> None:
        self._keeps(provider)
        method = await self._kept(stage, provider)
        await self.exhaust(stage, method)
        call = provider.charge(self._charge(method, "charge-1", self._price(provider)))
        error = await raised(self.name, "charge", call, (Rejected,))
        assert getattr(error, "reason", "") == "declined"
        assert not [word for word in (EMAIL, method.token.reveal()) if word in str(error)]
        left = await provider.find("charge-1") if provider.capabilities.finds_by_payment_id else None
        assert left is None or (left.status, left.paid_at) == (RemotePaymentStatus.FAILED, None)

    @must('Delete it at the provider: a charge is then Rejected(reason="not_found"), and forgetting it again is no error.')
    async def test_a_forgotten_means_of_payment_cannot_be_charged(self, stage: Stage, provider: PaymentGateway) -> None:
        self._keeps(provider)
        method = await self._kept(stage, provider)
        await provider.forget_method(CUSTOMER, method.token)
        await stage.build().forget_method(CUSTOMER, method.token)
        call = provider.charge(self._charge(method, "charge-1", self._price(provider)))
        error = await raised(self.name, "charge", call, (Rejected,))
        assert getattr(error, "reason", "") == "not_found"
        assert method.token.reveal() not in str(error)

    @must("Map a failed charge as the table says, after one try; the same key afterwards charges once.")
    @pytest.mark.parametrize("fault", EFFECT_ERRORS)
    async def test_each_failure_of_a_charge_has_its_error(self, stage: Stage, provider: PaymentGateway, fault: Fault) -> None:
        self._needs(fault)
        self._keeps(provider)
        able = provider.capabilities
        request = self._charge(await self._kept(stage, provider), "charge-1", self._price(provider))
        await self.inject(stage, fault, "charge")
        error = await self.met(stage, fault, "charge", lambda limit: provider.charge(replace(request, timeout=limit)))
        assert not [word for word in (EMAIL, request.token.reveal()) if word in str(error)]
        await self.settled(stage, fault)
        if able.finds_by_payment_id:
            found = await provider.find("charge-1")
            assert (found is None) == (fault in NOTHING_DONE)
        if able.idempotent:
            paid = await provider.charge(request)
            assert paid.status is RemotePaymentStatus.PAID
            await self._charged_once(provider, "charge-1", paid.reference)

    @must("Map a failed exchange of the key as the table says; the same idempotency key afterwards gives the token.")
    @pytest.mark.parametrize("fault", [fault for fault in EFFECT_ERRORS if fault not in ENDLESS])
    async def test_each_failure_of_keeping_has_its_error(self, stage: Stage, provider: PaymentGateway, fault: Fault) -> None:
        self._needs(fault)
        self._keeps(provider)
        key = await self.leave_method(stage, await provider.open_method_window(WINDOW))
        request = KeepMethodRequest(CUSTOMER, key, "keep-1")
        await self.inject(stage, fault, "keep_method")
        due = {*self.errors[fault], *READ_ERRORS.get(fault, ())}
        error = await raised(self.name, "keep_method", provider.keep_method(request), tuple(due))
        assert key not in str(error)
        if provider.capabilities.idempotent:
            assert (await provider.keep_method(request)).token

    @must("Raise Unsupported for a stored means of payment unless capabilities.stored_methods.")
    async def test_without_stored_means_of_payment_there_are_none(self, provider: PaymentGateway) -> None:
        if provider.capabilities.stored_methods:
            pytest.skip("it claims to keep means of payment")
        method = StoredMethod(Secret("token"), CUSTOMER, "card")
        calls = {
            "open_method_window": provider.open_method_window(WINDOW),
            "keep_method": provider.keep_method(KeepMethodRequest(CUSTOMER, "key", "keep-1")),
            "charge": provider.charge(self._charge(method, "charge-1", self._price(provider))),
            "forget_method": provider.forget_method(CUSTOMER, Secret("token")),
        }
        for operation, call in calls.items():
            await raised(self.name, operation, call, (Unsupported,))

    async def _kept(self, stage: Stage, provider: PaymentGateway) -> StoredMethod:
        key = await self.leave_method(stage, await provider.open_method_window(WINDOW))
        return await provider.keep_method(KeepMethodRequest(CUSTOMER, key, "keep-1"))

    async def _charged_once(self, provider: PaymentGateway, payment_id: str, reference: str) -> None:
        if provider.capabilities.finds_by_payment_id:
            found = await provider.find(payment_id)
            assert found is not None
            assert (found.reference, found.status) == (reference, RemotePaymentStatus.PAID)
        if provider.capabilities.lists_payments:
            paid = [each.reference for each in await self._listed(provider) if each.status is RemotePaymentStatus.PAID]
            assert paid == [reference]

    async def _listed(self, provider: PaymentGateway) -> Sequence[PaymentSnapshot]:
        """What this test has left in the provider's own list; nothing where there is no list."""
        if not provider.capabilities.lists_payments:
            return ()
        now = datetime.now(UTC)
        return (await provider.list_payments(now - timedelta(minutes=5), now + timedelta(minutes=5))).payments

    def _charge(self, method: StoredMethod, payment_id: str, price: Money) -> ChargeRequest:
        return ChargeRequest(
            payment_id,
            method.customer_id,
            method.token,
            price,
            "마당 구독",
            f"key-of-{payment_id}",
            customer_email=EMAIL,
            customer_name="김마당",
        )

    def _keeps(self, provider: PaymentGateway) -> None:
        if not provider.capabilities.stored_methods:
            pytest.skip("it does not claim to keep means of payment")

    def _prices(self, provider: PaymentGateway) -> Sequence[Money]:
        taken = provider.capabilities.currencies
        return [each for each in PRICES if not taken or each.currency in taken]

    def _price(self, provider: PaymentGateway) -> Money:
        return self._prices(provider)[0]
