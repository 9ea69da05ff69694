"""JSONB documents to values of the domain; the way back is the connection's codec, which writes dataclasses by their fields."""

from collections.abc import Mapping
from typing import Any

from madang.core.kernel.messages import Failure
from madang.core.operations.deletion import DeletedObject
from madang.core.portraits.model import Improvement, Photo, Report, StoredFile


def to_failure(document: Mapping[str, Any] | None) -> Failure | None:
    return None if document is None else Failure(**document)


def to_file(document: Mapping[str, Any] | None) -> StoredFile | None:
    return None if document is None else StoredFile(**document)


def to_photo(document: Mapping[str, Any] | None) -> Photo | None:
    if document is None:
        return None
    return Photo(StoredFile(**document["file"]), document["source_sha256"])


def to_report(document: Mapping[str, Any] | None) -> Report | None:
    if document is None:
        return None
    improvements = tuple(
        Improvement(each["area"], each["description"], tuple(each["recommendations"])) for each in document["improvements"]
    )
    return Report(
        document["summary"],
        improvements,
        document["timeline"],
        document["estimated_cost"],
        tuple(document.get("dropped_codes", ())),
    )


def to_deleted_objects(documents: list[dict[str, Any]]) -> tuple[DeletedObject, ...]:
    return tuple(DeletedObject(each["key"], each["sha256"]) for each in documents)
