"""The care catalogue's use cases on a real database."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from madang.adapters.cryptography.cipher import AesGcmCipher
from madang.adapters.cryptography.keys import KeyRing
from madang.adapters.postgres.database import Database
from madang.adapters.postgres.unit_of_work import unit_of_work_factory
from madang.core.kernel.caller import OPERATOR
from madang.core.kernel.clock import SystemClock
from madang.core.kernel.errors import AlreadyExists, NotFound
from madang.core.kernel.events import Subscriptions
from madang.core.kernel.paging import PageRequest
from madang.core.operations.audit import AuditTrail
from madang.core.portraits.catalogue import COLUMNS, starting_catalogue
from madang.core.portraits.knowledge_base import ImportOutcome, KnowledgeBaseService
from madang.core.portraits.model import CareEntry
from madang.ports.secret import Secret

MOISTURE = CareEntry("SC003", "skin", "수분 보습", "Moisture care", "하루 두 번", "Twice a day", 4, 8, 30_000, 80_000)
BROWS = CareEntry("BR001", "brows", "눈썹 정리", "Brow shaping", "3주마다", "Every three weeks", 1, 3, 0, 20_000)
FIRST_PAGE = PageRequest()


@pytest.fixture
async def knowledge_base(database_url: str) -> AsyncIterator[KnowledgeBaseService]:
    database = await Database.connect(database_url, pool_size=10)
    units = unit_of_work_factory(database, Subscriptions(), lambda: "req-test", {})
    cipher = AesGcmCipher(KeyRing(Secret("test-key-not-secret-of-the-catalogue-00")))
    yield KnowledgeBaseService(units, AuditTrail(cipher, SystemClock()))
    await database.close()


def csv_of(*entries: CareEntry) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(COLUMNS)
    writer.writerows([getattr(entry, column) for column in COLUMNS] for entry in entries)
    return lines.getvalue()


async def all_of(knowledge_base: KnowledgeBaseService) -> list[CareEntry]:
    return list((await knowledge_base.page(PageRequest(1, 100))).items)


async def test_a_new_entry_is_found_again_by_its_code(knowledge_base: KnowledgeBaseService) -> None:
    assert await knowledge_base.create(OPERATOR, MOISTURE) == MOISTURE
    assert await knowledge_base.get("SC003") == MOISTURE


async def test_a_taken_code_is_refused_and_its_entry_stays(knowledge_base: KnowledgeBaseService) -> None:
    await knowledge_base.create(OPERATOR, MOISTURE)
    with pytest.raises(AlreadyExists) as refused:
        await knowledge_base.create(OPERATOR, replace(BROWS, code="SC003"))
    assert refused.value.error_code == "CARE_CODE_TAKEN"
    assert await knowledge_base.get("SC003") == MOISTURE


async def test_of_ten_who_add_one_code_at_once_exactly_one_succeeds(knowledge_base: KnowledgeBaseService) -> None:
    offered = [replace(MOISTURE, cost_min=won) for won in range(10)]
    outcomes = await asyncio.gather(*(knowledge_base.create(OPERATOR, entry) for entry in offered), return_exceptions=True)
    created = [outcome for outcome in outcomes if isinstance(outcome, CareEntry)]
    assert [type(outcome) for outcome in outcomes if outcome not in created] == [AlreadyExists] * 9
    assert created == [await knowledge_base.get("SC003")]


async def test_an_entry_is_replaced_under_its_code_whatever_the_new_one_carries(knowledge_base: KnowledgeBaseService) -> None:
    await knowledge_base.create(OPERATOR, MOISTURE)
    replaced = await knowledge_base.replace(OPERATOR, "SC003", BROWS)
    assert replaced == replace(BROWS, code="SC003")
    assert await all_of(knowledge_base) == [replaced]


async def test_a_deleted_entry_is_gone(knowledge_base: KnowledgeBaseService) -> None:
    await knowledge_base.create(OPERATOR, MOISTURE)
    await knowledge_base.create(OPERATOR, BROWS)
    await knowledge_base.delete(OPERATOR, "SC003")
    assert await all_of(knowledge_base) == [BROWS]


@pytest.mark.parametrize("use", ["get", "replace", "delete"])
async def test_what_is_not_there_is_not_found_and_nothing_is_written(knowledge_base: KnowledgeBaseService, use: str) -> None:
    calls = {
        "get": lambda: knowledge_base.get("NONE1"),
        "replace": lambda: knowledge_base.replace(OPERATOR, "NONE1", MOISTURE),
        "delete": lambda: knowledge_base.delete(OPERATOR, "NONE1"),
    }
    with pytest.raises(NotFound) as missing:
        await calls[use]()
    assert missing.value.error_code == "CARE_ENTRY_NOT_FOUND"
    assert await all_of(knowledge_base) == []


async def test_pages_are_in_the_order_of_the_codes_and_of_one_category_where_asked(
    knowledge_base: KnowledgeBaseService,
) -> None:
    for number in (3, 1, 2):
        await knowledge_base.create(OPERATOR, replace(MOISTURE, code=f"SC{number}"))
    await knowledge_base.create(OPERATOR, BROWS)
    second = await knowledge_base.page(PageRequest(2, 2))
    assert ([entry.code for entry in second.items], second.total) == (["SC2", "SC3"], 4)
    skin = await knowledge_base.page(FIRST_PAGE, "skin")
    assert ([entry.code for entry in skin.items], skin.total) == (["SC1", "SC2", "SC3"], 3)
    assert (await knowledge_base.page(FIRST_PAGE, "hair")).total == 0


async def test_an_import_adds_and_replaces_and_leaves_the_rest_alone(knowledge_base: KnowledgeBaseService) -> None:
    await knowledge_base.create(OPERATOR, MOISTURE)
    await knowledge_base.create(OPERATOR, BROWS)
    dearer, new = replace(MOISTURE, cost_max=90_000), replace(MOISTURE, code="SC004")
    assert await knowledge_base.import_csv(OPERATOR, csv_of(new, dearer)) == ImportOutcome(1, 1, [])
    assert await all_of(knowledge_base) == [BROWS, dearer, new]


async def test_bad_lines_are_named_and_the_good_ones_are_imported(knowledge_base: KnowledgeBaseService) -> None:
    outcome = await knowledge_base.import_csv(
        OPERATOR, csv_of(MOISTURE, replace(BROWS, weeks_min=-1), replace(MOISTURE, code="SC009"))
    )
    assert (outcome.created, outcome.updated) == (2, 0)
    assert [problem.path for problem in outcome.problems] == ["line 3: weeks_min"]
    assert [entry.code for entry in await all_of(knowledge_base)] == ["SC003", "SC009"]


async def test_a_file_that_is_no_catalogue_changes_nothing(knowledge_base: KnowledgeBaseService) -> None:
    await knowledge_base.create(OPERATOR, MOISTURE)
    outcome = await knowledge_base.import_csv(OPERATOR, "colour;size\nred;3\n")
    assert (outcome.created, outcome.updated) == (0, 0)
    assert outcome.problems
    assert await all_of(knowledge_base) == [MOISTURE]


async def test_importing_the_shipped_catalogue_again_replaces_each_entry_by_itself(
    knowledge_base: KnowledgeBaseService,
) -> None:
    shipped = starting_catalogue()
    text = csv_of(*shipped)
    assert await knowledge_base.import_csv(OPERATOR, text) == ImportOutcome(len(shipped), 0, [])
    assert await knowledge_base.import_csv(OPERATOR, text) == ImportOutcome(0, len(shipped), [])
    assert {entry.code: entry for entry in await all_of(knowledge_base)} == {entry.code: entry for entry in shipped}


async def test_two_imports_at_once_in_opposite_order_both_succeed(knowledge_base: KnowledgeBaseService) -> None:
    one_way = [replace(MOISTURE, code=f"SC{number}", category="one way") for number in range(200)]
    back = [replace(entry, category="back") for entry in reversed(one_way)]
    outcomes = await asyncio.gather(
        knowledge_base.import_csv(OPERATOR, csv_of(*one_way)), knowledge_base.import_csv(OPERATOR, csv_of(*back))
    )
    assert sum(outcome.created for outcome in outcomes) == 200
    assert sum(outcome.updated for outcome in outcomes) == 200
    second = await knowledge_base.page(PageRequest(2, 100))
    assert len({entry.category for entry in [*await all_of(knowledge_base), *second.items]}) == 1
