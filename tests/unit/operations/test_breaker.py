"""The circuit breaker: opens on failures in a row for different causes, tries out once, and believes no late answers."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from madang.core.operations.breaker import Breaker, BreakerRule, BreakerState, Ticket, Verdict

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
RULE = BreakerRule(failures=3, open_seconds=30)


def call(breaker: Breaker, verdict: Verdict, now: float = 0.0, cause: object = None) -> BreakerState | None:
    ticket = breaker.admit(now)
    assert ticket is not None
    return breaker.give_back(ticket, verdict, now, cause)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(RULE)
    changes = [call(breaker, Verdict.TROUBLED, now) for _ in range(3)]
    assert changes == [None, None, OPEN]
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_refuses_until_its_time_is_over() -> None:
    breaker = opened()
    assert breaker.admit(29.9) is None
    assert (breaker.state(29.9), breaker.state(30.0)) == (OPEN, HALF_OPEN)
    assert breaker.admit(30.0) == Ticket(2, probe=True)


def test_an_answer_in_between_begins_the_row_anew() -> None:
    breaker = Breaker(RULE)
    for verdict in (Verdict.TROUBLED, Verdict.TROUBLED, Verdict.WELL, Verdict.TROUBLED, Verdict.TROUBLED):
        assert call(breaker, verdict) is None
    assert (breaker.state(0), breaker.failures) == (CLOSED, 2)


def test_one_job_that_fails_again_and_again_does_not_open_it_for_the_others() -> None:
    breaker = Breaker(RULE)
    for _ in range(20):
        assert call(breaker, Verdict.TROUBLED, cause="portrait:1:report") is None
    assert breaker.failures == 1
    call(breaker, Verdict.TROUBLED, cause="portrait:2:report")
    assert call(breaker, Verdict.TROUBLED, cause="portrait:3:report") is OPEN


def test_what_says_nothing_neither_fails_nor_begins_the_row_anew() -> None:
    breaker = Breaker(RULE)
    for verdict in (Verdict.TROUBLED, Verdict.NOTHING, Verdict.TROUBLED, Verdict.NOTHING):
        assert call(breaker, verdict) is None
    assert call(breaker, Verdict.TROUBLED) is OPEN


def test_one_call_alone_tries_it_out_and_its_answer_closes_it() -> None:
    breaker = opened()
    probe = breaker.admit(30)
    assert probe is not None
    assert breaker.admit(31) is None
    assert breaker.give_back(probe, Verdict.WELL, 32) is CLOSED
    assert breaker.admit(32) == Ticket(3)
    assert breaker.failures == 0


def test_a_failure_of_it_opens_it_for_another_time() -> None:
    breaker = opened()
    assert call(breaker, Verdict.TROUBLED, now=30) is OPEN
    assert (breaker.state(59.9), breaker.state(60.0)) == (OPEN, HALF_OPEN)


def test_when_it_said_nothing_the_next_one_tries_it_out() -> None:
    breaker = opened()
    assert call(breaker, Verdict.NOTHING, now=30) is None
    assert call(breaker, Verdict.WELL, now=30) is CLOSED


def test_a_call_that_began_before_it_opened_changes_nothing_with_its_late_end() -> None:
    breaker = Breaker(RULE)
    late = breaker.admit(0)
    assert late is not None
    for _ in range(3):
        call(breaker, Verdict.TROUBLED)
    for verdict in Verdict:
        assert breaker.give_back(late, verdict, 1) is None
    assert breaker.state(1) is OPEN


def test_a_call_that_was_insisted_on_closes_it_by_an_answer_and_leaves_it_alone_by_a_failure() -> None:
    breaker = opened()
    assert breaker.give_back(breaker.insist(), Verdict.TROUBLED, 5) is None
    assert breaker.state(29.9) is OPEN
    probe = breaker.admit(30)
    assert breaker.give_back(breaker.insist(), Verdict.TROUBLED, 31) is None
    assert breaker.admit(31) is None, "the one that tries it out is still under way"
    assert breaker.give_back(breaker.insist(), Verdict.WELL, 32) is CLOSED
    assert probe is not None
    assert breaker.give_back(probe, Verdict.TROUBLED, 33) is None, "it began before the last change"


def test_one_that_is_switched_off_never_opens() -> None:
    breaker = Breaker(BreakerRule(failures=0))
    for _ in range(100):
        assert call(breaker, Verdict.TROUBLED) is None


class AnyOrder(RuleBasedStateMachine):
    """Calls that begin, end and overtake one another in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(RULE)
        self.running: list[Ticket] = []
        self.probes = 0

    @rule(seconds=st.sampled_from([0.1, 10.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        ticket = self.breaker.admit(self.now)
        if ticket is not None:
            self.running.append(ticket)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 20), verdict=st.sampled_from(list(Verdict)), cause=st.sampled_from([None, "a", "b", "c"]))
    def end(self, which: int, verdict: Verdict, cause: str | None) -> None:
        ticket = self.running.pop(which % len(self.running))
        before = self.breaker.state(self.now)
        changed = self.breaker.give_back(ticket, verdict, self.now, cause)
        if changed is CLOSED:
            assert ticket.probe
            assert verdict is Verdict.WELL
        if changed is OPEN:
            assert verdict is Verdict.TROUBLED
            assert self.breaker.refuses(self.now)
        if verdict is Verdict.NOTHING:
            assert self.breaker.state(self.now) is before

    @invariant()
    def one_alone_tries_it_out(self) -> None:
        newest = max((ticket.era for ticket in self.running), default=0)
        assert sum(ticket.probe for ticket in self.running if ticket.era == newest) <= 1

    @invariant()
    def it_is_closed_before_it_has_failed_for_three_causes(self) -> None:
        if self.breaker.state(self.now) is CLOSED:
            assert self.breaker.failures < RULE.failures


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_calls_in_any_order = AnyOrder.TestCase
