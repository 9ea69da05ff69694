"""Whatever way money goes back, the credit notes are in the end exactly what went back, and never more on the way."""

import dataclasses

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from invoice_samples import credit_note, invoice, paid
from madang.core.billing.invoices.drafting import to_credit
from madang.core.billing.model import UNDER_WAY, PaymentStatus, Refund, RefundStatus, left_to_refund
from madang.core.kernel.ids import new_id
from madang.ports.money import Money

PARTS = st.integers(min_value=1, max_value=9900)


class GoingBack(RuleBasedStateMachine):
    """A payment of 9,900 won, our refunds of it, and a provider at which a person refunds, too. `returned` is what really went
    back there; we hear of it later."""

    def __init__(self) -> None:
        super().__init__()
        self.payment = paid()
        self.billed = invoice(self.payment)
        self.refunds: dict[object, Refund] = {}
        self.taken: set[object] = set()
        self.returned = 0
        self.notes = []

    @rule(part=PARTS)
    def we_refund(self, part: int) -> None:
        left = left_to_refund(self.payment, self.refunds.values())
        if left:
            made = Refund(
                new_id(), self.payment.id, "key", Money(min(part, left), "KRW"), "r", RefundStatus.QUEUED,
                self.payment.created_at, self.payment.created_at,
            )  # fmt: skip
            self.refunds[made.id] = made

    @precondition(lambda self: self.open())
    @rule(place=st.integers(0, 99), status=st.sampled_from([RefundStatus.RUNNING, RefundStatus.UNKNOWN]))
    def the_provider_takes_it(self, place: int, status: RefundStatus) -> None:
        """It may have too little left: then it never takes it."""
        refund = self.chosen(place)
        if refund.id not in self.taken and self.returned + refund.amount.amount <= 9900:
            self.taken.add(refund.id)
            self.returned += refund.amount.amount
        self.refunds[refund.id] = dataclasses.replace(refund, status=status)

    @precondition(lambda self: self.open())
    @rule(place=st.integers(0, 99))
    def we_hear_how_it_ended(self, place: int) -> None:
        refund = self.chosen(place)
        ended = RefundStatus.SUCCEEDED if refund.id in self.taken else RefundStatus.FAILED
        self.refunds[refund.id] = dataclasses.replace(refund, status=ended)

    @rule(part=PARTS)
    def a_person_refunds_at_the_provider(self, part: int) -> None:
        self.returned = min(9900, self.returned + part)

    @rule()
    def we_look_it_up(self) -> None:
        status = PaymentStatus.REFUNDED if self.returned == 9900 else PaymentStatus.PARTLY_REFUNDED
        self.payment = dataclasses.replace(self.payment, refunded=self.returned, status=status)

    @rule()
    def the_worker_issues(self) -> None:
        for refund_id, part in to_credit(self.payment, list(self.refunds.values()), self.notes):
            note = credit_note(self.billed, part, before=self.credited())
            self.notes.append(dataclasses.replace(note, refund_id=refund_id))

    @invariant()
    def nothing_is_credited_that_did_not_go_back(self) -> None:
        assert self.credited() <= self.returned
        assert sum(note.vat.amount for note in self.notes) <= self.billed.vat.amount
        named = [note.refund_id for note in self.notes if note.refund_id is not None]
        assert len(named) == len(set(named))

    def teardown(self) -> None:
        """Everything ends, is heard of, and is issued: once more changes nothing."""
        for place in range(len(self.refunds)):
            if self.open():
                self.we_hear_how_it_ended(place)
        while self.open():
            self.we_hear_how_it_ended(0)
        self.we_look_it_up()
        self.the_worker_issues()
        assert self.credited() == self.returned
        if self.returned == 9900:
            assert sum(note.vat.amount for note in self.notes) == self.billed.vat.amount
        before = list(self.notes)
        self.the_worker_issues()
        assert self.notes == before

    def open(self) -> list[Refund]:
        return [refund for refund in self.refunds.values() if refund.status in UNDER_WAY]

    def chosen(self, place: int) -> Refund:
        return self.open()[place % len(self.open())]

    def credited(self) -> int:
        return sum(note.amount.amount for note in self.notes)


TestMoneyThatGoesBack = GoingBack.TestCase
TestMoneyThatGoesBack.settings = settings(max_examples=60, stateful_step_count=20)
