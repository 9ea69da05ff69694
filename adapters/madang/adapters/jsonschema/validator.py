"""Documents against a JSON Schema, by jsonschema-rs: the whole of draft 2020-12, compiled, and nothing fetched."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final

_SHOWN: Final = 10
_LONGEST: Final = 300


class JsonSchemaValidator:
    """Fulfils `SchemaValidator`. Values are masked in what it says: a model reads that, and anybody may have written them."""

    def problems(self, schema: Mapping[str, Any], document: object) -> Sequence[str]:
        validator = _compiled(json.dumps(schema, sort_keys=True))
        try:
            return [_sentence(error) for error in islice(validator.iter_errors(document), _SHOWN)]
        except (ValueError, OverflowError, RecursionError) as error:
            return [f"the document cannot be checked ({type(error).__name__})"]


@lru_cache(maxsize=64)
def _compiled(schema: str) -> Any:
    """Only a worker asks text models for documents: no other process loads the library."""
    import jsonschema_rs

    return jsonschema_rs.validator_for(json.loads(schema), mask="the value", offline=True)


def _sentence(error: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    return f"{place.removeprefix('.') or 'the document'}: {error.message}"[:_LONGEST]
