"""Every table with something personal is answered for by one context; erased, a person is in none of them."""

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Column, MetaData, Table, Text, Uuid

from deployment import Deployment
from madang.adapters.postgres.tables import metadata
from madang.adapters.postgres.tables.schema import person, sealed, words
from madang.core.kernel.personal_data import PersonalData
from madang.core.kernel.protection import DATA_KEY_PURPOSE

PASSWORD: Final = "four plain words together"
CANARY: Final = "canary"
OF_A_PERSON: Final = frozenset(
    {"user_id", "owner_id", "person_id", "email", "name", "phone", "address", "agent", "recipient", "comment", "filename"}
)
"""Names of columns that say by themselves whose they are."""
OF_NOBODY: Final = {
    "audit_events.person_id": "the trail is append-only: what is personal in it goes with the person's key",
    "erasures.user_id": "names an empty row, so that the erasure can be looked at again",
    "api_keys.name": "goes with its row, which is the person's",
}


def answered_for(tables: MetaData, contexts: Sequence[PersonalData[Any]]) -> dict[str, int]:
    """Tables with a personal column that not exactly one context answers for, and tables that do not exist."""
    personal = {table.name for table in tables.tables.values() if any(column.info.get("personal") for column in table.columns)}
    answers = Counter(name for context in contexts for name in context.tables)
    unknown = set(answers) - set(tables.tables)
    return {name: answers[name] for name in (personal | set(answers)) if answers[name] != 1 or name in unknown}


def unmarked(tables: MetaData) -> list[str]:
    """Columns that are named like something of a person, and do not say that they are, or why not."""
    return sorted(
        f"{table.name}.{column.name}"
        for table in tables.tables.values()
        for column in table.columns
        if column.name in OF_A_PERSON and not column.info.get("personal") and f"{table.name}.{column.name}" not in OF_NOBODY
    )


async def test_every_table_with_something_personal_is_answered_for_by_one_context(deployment: Deployment) -> None:
    assert answered_for(metadata, deployment.container.personal_data) == {}, "name the table in a context's PersonalData"


def test_a_column_that_is_named_like_a_persons_says_that_it_is() -> None:
    assert unmarked(metadata) == [], "declare it with person(), sealed() or personal=True, or say here why it is of nobody"
    assert [name for name in OF_NOBODY if name.split(".")[1] not in metadata.tables[name.split(".")[0]].columns] == []


@pytest.mark.parametrize("column", [person(), sealed("nickname", purpose="a.b"), words("diary", personal=True)])
async def test_a_new_table_with_something_personal_that_nobody_answers_for_is_found(
    deployment: Deployment, column: Column[Any]
) -> None:
    tables = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(tables)
    Table("diaries", tables, Column("id", Uuid, primary_key=True), column)
    assert answered_for(tables, deployment.container.personal_data) == {"diaries": 0}


def test_a_new_column_that_does_not_say_whose_it_is_is_found() -> None:
    tables = MetaData()
    Table("diaries", tables, Column("owner_id", Uuid), Column("text", Text))
    assert unmarked(tables) == ["diaries.owner_id"]


# What is left of somebody who was there in every context


async def test_after_an_erasure_no_table_holds_anything_of_the_person(deployment: Deployment) -> None:
    person_ = await Somebody.everywhere(deployment)
    before = await traces(deployment, person_)
    assert {"users.email", "users.name", "sessions.agent", "files.name", "api_keys.name", "idempotency_keys.body"} <= before
    assert {"notification_preferences.user_id", "notifications.recipient", "personal_keys.person_id"} <= before
    await person_.erased()
    await deployment.work()
    for _ in range(3):
        await deployment.let_pass(hours=25)
        await deployment.container.schedule_recurring_work()
        await deployment.work()
    assert await traces(deployment, person_) == set()
    assert await deployment.value("SELECT status FROM users WHERE id = $1", person_.id) == "erased"
    assert await deployment.value("SELECT verified_at IS NOT NULL FROM erasures")
    kept = [name for name in await person_.objects() if str(person_.id) in name]
    assert kept == []


class Somebody:
    """A user with a canary in everything that can be written."""

    def __init__(self, deployment: Deployment, user_id: UUID, token: str) -> None:
        self.deployment = deployment
        self.id = user_id
        self.headers = {"Authorization": f"Bearer {token}", "User-Agent": f"{CANARY}-agent"}

    @classmethod
    async def everywhere(cls, deployment: Deployment) -> "Somebody":
        body = {"email": f"{CANARY}@example.com", "password": PASSWORD, "name": f"{CANARY}-name"}
        headers = {"User-Agent": f"{CANARY}-agent", "Idempotency-Key": f"{CANARY}-key"}
        answer = await deployment.client.post("/auth/register", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        data = answer.json()["data"]
        one = cls(deployment, UUID(data["user"]["id"]), data["accessToken"])
        await deployment.work()
        await one.call("PATCH", "/auth/me", json={"phone": "010-1234-5678"})
        wishes = {"transactional": ["email"], "product": ["email"], "marketing": []}
        await one.call("PUT", "/notifications/preferences", json=wishes)
        key = {"name": f"{CANARY}-key", "permissions": ["files:read"]}
        await one.call("POST", "/api-keys", json=key, headers={"Idempotency-Key": "k1"})
        files = {"file": (f"{CANARY}.txt", b"sings", "text/plain")}
        await one.call("POST", "/files", files=files, data={"purpose": "document"}, headers={"Idempotency-Key": "k2"})
        await one.call("POST", "/auth/login", json={"email": f"{CANARY}@example.com", "password": PASSWORD})
        wrong = {"email": f"{CANARY}@example.com", "password": "something else entirely"}
        await deployment.client.post("/auth/login", json=wrong, headers={"User-Agent": f"{CANARY}-agent"})
        return one

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        headers = {**self.headers, **arguments.pop("headers", {})}
        answer = await self.deployment.client.request(method, path, headers=headers, **arguments)
        assert answer.status_code < 400, answer.text
        return answer.json()["data"]

    async def erased(self) -> None:
        await self.call("DELETE", "/privacy/me", json={"confirm": True, "password": PASSWORD})

    async def objects(self) -> Sequence[str]:
        page = await self.deployment.container.providers.storage().list("")
        return [found.key for found in page.objects]


async def traces(deployment: Deployment, somebody: Somebody) -> set[str]:
    """Every column of the whole database with a canary in it, as it is or deciphered, and every personal column with the id."""
    found = set()
    for table in metadata.sorted_tables:
        for row in await deployment.rows(f"SELECT * FROM {table.name}"):
            for column in table.columns:
                value = row[column.name]
                written = legible(deployment, column, value)
                personal = column.info.get("personal") and str(somebody.id) in written
                if CANARY in written or personal:
                    found.add(f"{table.name}.{column.name}")
    return found


def legible(deployment: Deployment, column: Column[Any], value: Any) -> str:
    purpose = column.info.get("sealed")
    if value is None or purpose == DATA_KEY_PURPOSE:
        return ""
    if purpose is not None:
        text = deployment.container.cipher.decrypt(value, purpose=purpose)
        return decoded(text) if column.table.name == "idempotency_keys" else text
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()
