"""A JSON Schema in the words that Gemini takes. Pure: no clock, no network.

Gemini has two fields for a schema, and neither takes all of JSON Schema. A constraint that a field cannot hold is said in the
schema's `description`, where the model reads it; what cannot be said there either is refused. Nothing is dropped.
References are replaced by what they refer to.

Source: the description of `response_json_schema` in google-genai 3.4 (which keywords count), and the message `Schema` of
google-ai-generativelanguage 0.6 (which fields there are). Not verified: from which length of its lists on a schema is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from madang.adapters.gemini.schema_parts import merged, resolved, unsupported
from madang.adapters.gemini.schema_words import SILENT, in_words

MAX_DEPTH: Final = 32
MAX_NODES: Final = 2000
LENGTHS: Final = ("minItems", "maxItems")
MAX_ITEMS: Final = 64
"""Of all lists together, those within lists multiplied, whose lengths Gemini is asked to enforce. It refuses a schema that
holds too many ("too many states for serving", or a bare 400) and does not say how many; further lengths are said in words."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the messages of one SDK can say. `field` takes the schema, `keywords` are those that count there, `formats` the
    values of `format` that do."""

    field: str
    keywords: frozenset[str]
    formats: frozenset[str] | None = None
    is_json_schema: bool = True
    has_seed: bool = True


JSON_SCHEMA: Final = Dialect(
    "responseJsonSchema",
    frozenset(
        {
            "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems", "minimum",
            "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required", "propertyOrdering",
        }
    ),
)  # fmt: skip
OPENAPI: Final = Dialect(
    "responseSchema",
    frozenset({"type", "format", "description", "enum", "items", "minItems", "maxItems", "properties", "required"}),
    formats=frozenset({"float", "double", "int32", "int64"}),
    is_json_schema=False,
    has_seed=False,
)
"""What the old SDK's message can hold. Its types are upper case, and `nullable` stands for a type of null."""


def translated(schema: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """The schema for `dialect.field`. Raises `NotExpressible`."""
    try:
        return _Translation(schema, dialect).of(schema, 0)
    except (AttributeError, TypeError):
        raise unsupported("a keyword whose value is of the wrong type") from None


class _Translation:
    """One schema on its way; counts what it has written, because references may multiply it, and the lengths of its lists."""

    def __init__(self, root: Mapping[str, Any], dialect: Dialect) -> None:
        self._root = root
        self._dialect = dialect
        self._nodes = 0
        self._items = 0

    def of(self, schema: object, depth: int, times: int = 1) -> dict[str, Any]:
        """`times` says how often it is within the lists around it."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise unsupported("a schema that is too deep, too large or contains itself")
        plain = self._simplified(resolved(schema, self._root))
        longest = max((plain[each] for each in LENGTHS if each in plain), default=1)
        spoken = LENGTHS if any(each in plain for each in LENGTHS) and not self._can_hold(times * longest) else ()
        native = {key: value for key, value in plain.items() if key not in spoken and self._is_native(key, value)}
        words = in_words({key: value for key, value in plain.items() if key not in native and key not in SILENT})
        written = {key: self._value(key, value, depth, times * longest) for key, value in native.items()}
        description = " ".join(filter(None, (str(native.get("description", "")).strip(), words)))
        if description:
            written["description"] = description
        return written if self._dialect.is_json_schema else self._checked(written)

    def _can_hold(self, items: int) -> bool:
        if self._items + items > MAX_ITEMS:
            return False
        self._items += items
        return True

    def _is_native(self, key: str, value: object) -> bool:
        if key == "enum":
            return self._takes(value)
        if key == "format" and self._dialect.formats is not None:
            return value in self._dialect.formats
        return key in self._dialect.keywords or (key == "nullable" and not self._dialect.is_json_schema)

    def _takes(self, values: object) -> bool:
        """An `enum` is of texts, or in JSON Schema also of numbers."""
        kinds: tuple[type, ...] = (str, int, float) if self._dialect.is_json_schema else (str,)
        return isinstance(values, list) and all(isinstance(each, kinds) and not isinstance(each, bool) for each in values)

    def _value(self, key: str, value: Any, depth: int, times: int) -> Any:
        if key == "properties":
            return {name: self.of(each, depth + 1, times) for name, each in value.items()}
        if key in ("items", "additionalProperties") and not isinstance(value, bool):
            return self.of(value, depth + 1, times)
        if key in ("anyOf", "oneOf", "prefixItems"):
            return [self.of(each, depth + 1, times) for each in value]
        return value.upper() if key == "type" and not self._dialect.is_json_schema else value

    def _simplified(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same constraints with the keywords that both fields know."""
        plain = dict(schema)
        if isinstance(plain.get("const"), str) and "enum" not in plain:
            plain["enum"] = [plain.pop("const")]
        if isinstance(plain.get("items"), bool) and not plain.pop("items"):
            plain["maxItems"] = min(plain.get("maxItems", MAX_NODES), len(plain.get("prefixItems", ())))
        return plain if self._dialect.is_json_schema else self._as_openapi(plain)

    def _as_openapi(self, plain: dict[str, Any]) -> dict[str, Any]:
        for key in ("anyOf", "oneOf"):
            if key in plain:
                plain = self._one_of(plain, key)
        if isinstance(plain.get("type"), list):
            kinds = [each for each in plain["type"] if each != "null"]
            if len(kinds) != 1:
                raise unsupported("a value of several types", self._dialect.field)
            plain |= {"type": kinds[0], "nullable": len(kinds) < len(plain["type"])}
        if None in (plain.get("enum") or ()):
            plain |= {"enum": [each for each in plain["enum"] if each is not None], "nullable": True}
        if "type" not in plain and self._takes(plain.get("enum")):
            plain["type"] = "string"
        for key in ("prefixItems", "additionalProperties"):
            if key in plain and not isinstance(plain[key], bool):
                raise unsupported(key, self._dialect.field)
        return plain

    def _one_of(self, plain: dict[str, Any], key: str) -> dict[str, Any]:
        """One alternative beside null is that alternative, nullable."""
        alternatives = [resolved(each, self._root) for each in plain[key]]
        telling = [each for each in alternatives if each.get("type") != "null"]
        if len(telling) != 1:
            raise unsupported("alternatives", self._dialect.field)
        rest = {name: value for name, value in plain.items() if name != key}
        nullable = {"nullable": True} if len(telling) < len(alternatives) else {}
        return self._as_openapi(merged(rest, telling[0])) | nullable

    def _checked(self, written: dict[str, Any]) -> dict[str, Any]:
        """Raises `NotExpressible` for what the API would refuse: a value without a type, an object without properties."""
        kind = written.get("type")
        if kind is None or (kind == "OBJECT" and not written.get("properties")) or (kind == "ARRAY" and "items" not in written):
            raise unsupported("a value whose type, properties or items are left open", self._dialect.field)
        if kind == "NULL" or not _all_known(written.get("required", ()), written.get("properties", {})):
            raise unsupported("null alone, or a required property that is not described", self._dialect.field)
        enum = {"format": "enum"} if "enum" in written else {}
        return {key: value for key, value in written.items() if value is not False} | enum


def _all_known(required: Sequence[str], properties: Mapping[str, object]) -> bool:
    return set(required) <= set(properties)
