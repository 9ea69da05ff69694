"""References and conjunctions of a JSON Schema, taken apart: what is left says everything in one place."""

from collections.abc import Mapping
from typing import Any, Final

from madang.adapters.gemini.errors import NotExpressible

_MOST_STEPS: Final = 64
_BOUNDS: Final = {
    "minimum": max, "exclusiveMinimum": max, "minLength": max, "minItems": max, "minProperties": max,
    "maximum": min, "exclusiveMaximum": min, "maxLength": min, "maxItems": min, "maxProperties": min,
}  # fmt: skip


def resolved(schema: object, root: Mapping[str, Any], steps: int = 0) -> dict[str, Any]:
    """The schema with its own `$ref` and `allOf` merged into it. Raises `NotExpressible`."""
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise unsupported("a schema that nothing fits")
    if steps > _MOST_STEPS:
        raise unsupported("a schema that contains itself")
    plain = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    parts = [_target(schema["$ref"], root)] if "$ref" in schema else []
    for part in (*parts, *schema.get("allOf", ())):
        plain = merged(resolved(part, root, steps + 1), plain)
    return plain


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both at once; for what only describes, `other` counts. Raises `NotExpressible` where that takes more than a look."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if key in _BOUNDS:
            both[key] = _BOUNDS[key](one[key], other[key])
        elif key == "required":
            both[key] = list(dict.fromkeys((*one[key], *other[key])))
        elif key in ("properties", "$defs"):
            both[key] = _joined(one[key], other[key])
        elif key not in ("title", "description", "default", "examples", "$comment", "$id") and one[key] != other[key]:
            raise unsupported(f"{key} given twice")
    return both


def unsupported(what: str, field: str = "") -> NotExpressible:
    return NotExpressible(f"it takes no schema with {what}" + (f" in {field}" if field else ""))


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, **{name: {"allOf": [one[name], each]} if name in one else each for name, each in other.items()}}


def _target(reference: object, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise unsupported("a reference to elsewhere")
    target: Any = root
    for part in reference.removeprefix("#").strip("/").split("/") if reference not in ("#", "#/") else ():
        target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
    if not isinstance(target, Mapping):
        raise unsupported("a reference to nothing")
    return target
