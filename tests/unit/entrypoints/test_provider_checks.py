"""What is told of a provider's check is one line, whatever the provider says."""

import pytest

from madang.entrypoints.providers.checks import problem_of
from madang.ports.provider import ProviderHealth


class Talkative:
    name = "talkative"

    def __init__(self, detail: str, *, raises: bool) -> None:
        self._detail = detail
        self._raises = raises

    async def check(self) -> ProviderHealth:
        if self._raises:
            raise ValueError(self._detail)
        return ProviderHealth(False, self._detail)

    async def close(self) -> None: ...


@pytest.mark.parametrize("raises", [False, True])
async def test_a_problem_has_no_letter_that_no_row_can_hold_and_an_end(raises: bool) -> None:
    problem = await problem_of(lambda: Talkative("down\x00\ud800\n" + "x" * 10_000, raises=raises))
    assert problem.endswith("x")
    assert "down   x" in problem
    assert len(problem) == 500
    problem.encode()


async def test_a_provider_that_is_away_and_says_nothing_is_not_reachable() -> None:
    assert await problem_of(lambda: Talkative("", raises=False)) == "not reachable"
