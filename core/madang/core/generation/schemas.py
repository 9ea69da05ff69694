"""What the core asks of whoever checks documents against a JSON Schema."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class SchemaValidator(Protocol):
    """Fulfilled by an adapter: the core knows no library."""

    def problems(self, schema: Mapping[str, Any], document: object) -> Sequence[str]:
        """Where the document leaves the schema (draft 2020-12), a sentence for each place; empty for a valid one.

        The sentences name places and rules and repeat nothing that stands in the document but names of keys. Nothing is
        fetched for a `$ref`. Raises `ValueError` for a schema that is none: a defect of the caller.
        """
        ...
