"""Conformance of what is sent once: idempotency keys, and the look-up by key after an outcome that is unknown."""

from typing import Any

import pytest

from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import ENDLESS, NOTHING_DONE, Stage, raised
from madang.plugins.conformance.suite import ProviderConformance
from madang.ports.errors import Unsupported


class KeyedConformance(ProviderConformance):
    """For ports whose provider has `find(idempotency_key)`, and `idempotent` and `finds_by_key` in its capabilities."""

    @must("Give the idempotency key to the provider, and as it is; or declare idempotent=False.")
    async def test_the_same_key_acts_once_also_from_another_process(self, stage: Stage, provider: Any) -> None:
        if not provider.capabilities.idempotent:
            pytest.skip("it does not claim to be idempotent")
        first = await self.act(provider, "key-1")
        again = await self.act(stage.build(), "key-1")
        other = await self.act(provider, "key-2")
        assert first.id == again.id != other.id

    @must("After an unknown outcome the same key must answer what was done, not do it again; or declare idempotent=False.")
    async def test_after_a_lost_answer_the_same_key_answers_what_was_done(self, stage: Stage, provider: Any) -> None:
        if not provider.capabilities.idempotent:
            pytest.skip("it does not claim to be idempotent")
        self._needs(Fault.ANSWER_LOST)
        await self.inject(stage, Fault.ANSWER_LOST, self.operation)
        await raised(self.name, self.operation, self.act(provider, "key-1"), self.errors[Fault.ANSWER_LOST])
        receipts = [await self.act(provider, "key-1") for _ in range(2)]
        assert receipts[0].id == receipts[1].id
        if provider.capabilities.finds_by_key:
            found = await provider.find("key-1")
            assert found is not None
            assert found.id == receipts[0].id

    @must("find() answers what was done with exactly this key, None when there surely is nothing; else finds_by_key=False.")
    async def test_what_was_done_is_found_by_its_key(self, stage: Stage, provider: Any) -> None:
        if not provider.capabilities.finds_by_key:
            await raised(self.name, "find", provider.find("key-1"), (Unsupported,))
            return
        assert await provider.find("key-1") is None
        done = {key: await self.act(provider, key) for key in ("key-1", "key-10")}
        later = stage.build()
        for key, receipt in done.items():
            found = await later.find(key)
            assert found is not None
            assert found.id == receipt.id
        assert await later.find("key-100") is None

    @must("What was done without an answer must be found by its key, and nothing where nothing was done.")
    async def test_the_look_up_tells_what_became_of_a_failed_call(self, stage: Stage, provider: Any) -> None:
        if not provider.capabilities.finds_by_key:
            pytest.skip("it does not claim to find by key")
        for fault in [each for each in Fault if each not in ENDLESS and each not in self.unmet]:
            await self.inject(stage, fault, self.operation)
            await raised(self.name, self.operation, self.act(provider, f"key-{fault}"), self.errors[fault])
            found = await provider.find(f"key-{fault}")
            assert (found is None) == (fault in NOTHING_DONE), f"after {fault!r} it found {found!r}"
