"""The errors are named by what the caller may do next, and keep their context without a secret."""

import pytest

from madang.ports import errors
from madang.ports.errors import (
    Misconfigured,
    MissingExtra,
    OutcomeUnknown,
    PortError,
    ProviderError,
    RateLimited,
    Rejected,
    SignatureInvalid,
    Unavailable,
    Unsupported,
)

ALL = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PortError)]
A_BAD_DAY = [Unavailable("x"), RateLimited("x", retry_after=3), Rejected("x", reason="declined"), OutcomeUnknown("x")]
A_DEFECT = [Misconfigured("x"), MissingExtra("openai"), SignatureInvalid("x"), Unsupported("x")]


@pytest.mark.parametrize("error", A_BAD_DAY, ids=lambda error: error.kind)
def test_a_providers_bad_day_is_a_provider_error(error: PortError) -> None:
    with pytest.raises(ProviderError):
        raise error


@pytest.mark.parametrize("error", A_DEFECT, ids=lambda error: error.kind)
def test_wrong_keys_and_forgeries_pass_a_handler_for_a_providers_bad_day(error: PortError) -> None:
    with pytest.raises(type(error)):
        try:
            raise error
        except ProviderError:
            pytest.fail("swallowed")


def test_nothing_surely_undone_is_an_unknown_outcome() -> None:
    assert not any(issubclass(each, OutcomeUnknown) for each in ALL if each is not OutcomeUnknown)
    assert not issubclass(OutcomeUnknown, Unavailable | RateLimited | Rejected)


def test_each_error_has_a_kind_of_its_own() -> None:
    assert len({each.kind for each in ALL}) == len(ALL)


@pytest.mark.parametrize("error", [*A_BAD_DAY, *A_DEFECT], ids=lambda error: error.kind)
def test_each_error_can_be_logged_with_its_context(error: PortError) -> None:
    assert set(error.context()) == {"kind", "message", "provider", "operation", "code", "request_id"}


def test_an_error_reads_as_who_what_and_why() -> None:
    error = Rejected("declined by the bank", reason="declined", provider="toss", operation="confirm", code="REJECT_CARD")
    assert str(error) == "toss.confirm: declined by the bank [REJECT_CARD]"
    assert error.reason == "declined"


def test_a_missing_sdk_names_what_to_install() -> None:
    assert 'pip install "madang[openai]"' in str(MissingExtra("openai"))
    assert issubclass(MissingExtra, Misconfigured)
