"""How often and how long a delivery is tried, and which events an endpoint wants."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.kernel.ids import new_id
from madang.core.webhooks.model import LONGEST_WISH, RETRY_AFTER, EndpointStatus, WebhookEndpoint, wait_before

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def test_the_tries_of_a_delivery_span_a_day() -> None:
    assert timedelta(hours=23) <= sum(RETRY_AFTER, timedelta()) <= timedelta(hours=24)
    assert wait_before(len(RETRY_AFTER) + 1, None) is None


@given(attempt=st.integers(1, len(RETRY_AFTER)), wished=st.floats(0, 1e9))
def test_a_wish_to_wait_only_lengthens_and_never_beyond_reason(attempt: int, wished: float) -> None:
    wait = wait_before(attempt, wished)
    assert wait is not None
    assert RETRY_AFTER[attempt - 1] <= wait <= max(RETRY_AFTER[attempt - 1], LONGEST_WISH)


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        ((), True),
        (("files.completed",), True),
        (("files.*",), True),
        (("files.rejected", "credits.*"), False),
        (("file.*",), False),
    ],
)
def test_an_endpoint_wants_what_it_names_and_everything_when_it_names_nothing(types: tuple[str, ...], wanted: bool) -> None:
    endpoint = WebhookEndpoint(new_id(), new_id(), b"", types, EndpointStatus.ACTIVE, b"", NOW, NOW)
    assert endpoint.wants("files.completed") is wanted
