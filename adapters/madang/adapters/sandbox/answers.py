"""A value for any JSON Schema (draft 2020-12) that the products use, filled by the authors of `prose`."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from madang.adapters.sandbox.chance import dice
from madang.adapters.sandbox.reading import Reading
from madang.adapters.sandbox.strings import string_value

Schema = Mapping[str, Any]

DEEP: Final = 7
"""From this depth on only what is required is written: a schema may contain itself."""
_BOUNDS: Final = {
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "minItems": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the answer we are: the nearest field's `name` in lower case, the `index` of the nearest object in a list, and
    the `variant` that makes list items differ."""

    path: str = ""
    name: str = ""
    index: int = 0
    depth: int = 0
    variant: int = 0

    def field(self, name: str) -> "Place":
        return replace(self, path=f"{self.path}.{name}", name=name.lower(), depth=self.depth + 1)

    def item(self, number: int, is_object: bool) -> "Place":
        return replace(
            self, path=f"{self.path}[{number}]", index=number if is_object else self.index, variant=number, depth=self.depth + 1
        )


class Answerer:
    """Writes one answer: the same reading, seed and schema give the same one."""

    def __init__(self, schema: Schema, reading: Reading, *seeds: object) -> None:
        self._root = schema
        self._reading = reading
        self._seeds = seeds

    def answer(self) -> Any:
        """Written twice: what sums up, such as a total cost, can only be written when it is known what was recommended."""
        draft = self._value(self._root, Place())
        named = set(_strings(draft))
        self._reading = replace(self._reading, chosen=[offer for offer in self._reading.offers if offer.code in named])
        return self._value(self._root, Place())

    def _value(self, schema: Schema | bool, place: Place) -> Any:
        plain = self._plain(schema, place)
        chance = dice(*self._seeds, place.path, place.variant)
        if "const" in plain:
            return plain["const"]
        if "enum" in plain:
            return self._chosen(plain["enum"], place, chance)
        match self._type(plain):
            case "object":
                return self._object(plain, place)
            case "array":
                return self._array(plain, place, chance)
            case "integer" | "number" as kind:
                return number_value(plain, place.name, kind == "integer", chance)
            case "boolean":
                return chance.random() < 0.7
            case "null":
                return None
        return string_value(plain, self._reading, chance, place.name, place.index, place.variant)

    def _plain(self, schema: Schema | bool, place: Place) -> Schema:
        """The schema with references followed, `allOf` merged, and one of the alternatives taken."""
        if isinstance(schema, bool):
            return {}
        plain = dict(schema)
        for _ in range(32):
            if "$ref" in plain:
                plain = _merged(self._resolve(plain.pop("$ref")), plain)
            elif "allOf" in plain:
                for part in plain.pop("allOf"):
                    plain = _merged(plain, self._plain(part, place))
            elif "anyOf" in plain or "oneOf" in plain:
                key = "anyOf" if "anyOf" in plain else "oneOf"
                plain = _merged(plain, self._alternative(plain.pop(key), place))
            else:
                return plain
        return plain

    def _alternative(self, alternatives: Sequence[Schema], place: Place) -> Schema:
        plain = [self._plain(alternative, place) for alternative in alternatives]
        telling = [each for each in plain if self._type(each) != "null"] or plain
        if place.depth >= DEEP:
            simple = [each for each in plain if self._type(each) not in ("object", "array")]
            return (simple or telling)[-1]
        return telling[dice(*self._seeds, place.path, "alternative").randrange(len(telling))]

    def _resolve(self, reference: str) -> Schema:
        target: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/") if reference not in ("#", "#/") else ():
            target = target[part.replace("~1", "/").replace("~0", "~")]
        return dict(target)

    def _type(self, plain: Schema) -> str:
        kind = plain.get("type")
        if isinstance(kind, list):
            return str(next((each for each in kind if each != "null"), "null"))
        if kind:
            return str(kind)
        for keyword, implied in _IMPLIED.items():
            if keyword in plain:
                return implied
        return "string"

    def _chosen(self, options: Sequence[Any], place: Place, chance: Random) -> Any:
        """An option that the prompt offers for this theme, where there is one."""
        if all(isinstance(option, str) for option in options):
            fitting = [code for code in self._codes(place) if code in options]
            if fitting:
                return fitting[place.variant % len(fitting)]
        telling = [option for option in options if option is not None] or list(options)
        return telling[(chance.randrange(len(telling)) + place.variant) % len(telling)]

    def _codes(self, place: Place) -> Sequence[str]:
        themes = self._reading.themes()
        offers = self._reading.offers_of(themes[place.index % len(themes)]) if themes else self._reading.offers
        return [offer.code for offer in offers]

    def _object(self, plain: Schema, place: Place) -> dict[str, Any]:
        required = list(plain.get("required", ()))
        properties: Schema = plain.get("properties", {})
        extra = plain.get("additionalProperties", True)
        names = [*(name for name in properties if name in required or place.depth < DEEP)]
        names += [name for name in required if name not in properties]
        result = {name: self._value(properties.get(name, extra), place.field(name)) for name in names}
        open_map = not properties and isinstance(extra, Mapping) and place.depth < DEEP
        wanted = max(plain.get("minProperties", 0), 2 if open_map else 0)
        keys: Schema = plain.get("propertyNames", {})
        for number in range(64):
            if len(result) >= min(wanted, plain.get("maxProperties", wanted)) or extra is False:
                break
            key = str(self._value({"type": "string", **keys}, replace(place.field("keyword"), variant=number)))
            result.setdefault(key, self._value(extra, place.field(key)))
        return result

    def _array(self, plain: Schema, place: Place, chance: Random) -> list[Any]:
        fixed: Sequence[Schema] = plain.get("prefixItems", ())
        items: Schema | bool = plain.get("items", True)
        usual = 0 if place.depth >= DEEP else (len(fixed) or chance.choice((2, 3)))
        least = plain.get("minItems", 0)
        count = min(max(usual, least), plain.get("maxItems", math.inf))
        if items is False:
            count = min(count, len(fixed))
        result: list[Any] = []
        seen: set[str] = set()
        for number in range(max(64, 2 * int(count))):
            if len(result) >= count:
                break
            schema = fixed[len(result)] if len(result) < len(fixed) else items
            is_object = isinstance(schema, Mapping) and self._type(self._plain(schema, place)) == "object"
            value = self._value(schema, place.item(number, is_object))
            mark = json.dumps(value, sort_keys=True)
            if mark not in seen or not (plain.get("uniqueItems") or number < 16):
                result.append(value)
                seen.add(mark)
        return result


def _strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


_IMPLIED: Final = {
    "properties": "object",
    "additionalProperties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
    "multipleOf": "number",
}


def number_value(plain: Schema, name: str, whole: bool, chance: Random) -> int | float:
    """A number within the bounds; scores are good ones."""
    low = plain.get("minimum", plain.get("exclusiveMinimum"))
    high = plain.get("maximum", plain.get("exclusiveMaximum"))
    low = low if low is not None else (0 if high is None or high >= 0 else high - 100)
    high = high if high is not None else low + 100
    step = plain.get("multipleOf") or (1 if whole else 0)
    share = 0.6 + 0.35 * chance.random() if any(word in name for word in ("score", "rating", "confidence")) else chance.random()
    value = low + (high - low) * share
    if not step:
        inside = value if low < value < high else (low + high) / 2
        rounded = round(inside, 2)
        return rounded if low < rounded < high else inside
    if whole and step != int(step):
        step = 1
    return _on_step(value, step, plain, whole)


def _on_step(value: float, step: float, plain: Schema, whole: bool) -> int | float:
    times = round(value / step)
    for distance in range(1000):
        for candidate in (times - distance, times + distance):
            number = candidate * step
            if _within(number, plain):
                return int(number) if whole else number
    return int(times * step) if whole else times * step


def _within(number: float, plain: Schema) -> bool:
    least, most = plain.get("minimum", -math.inf), plain.get("maximum", math.inf)
    above, below = plain.get("exclusiveMinimum", -math.inf), plain.get("exclusiveMaximum", math.inf)
    return bool(least <= number <= most and above < number < below)


def _merged(one: Schema, other: Schema) -> dict[str, Any]:
    """Both schemas at once: properties and requirements together, the narrower bound, else the latter's word."""
    merged = {**one, **other}
    for key, narrower in _BOUNDS.items():
        if key in one and key in other:
            merged[key] = narrower(one[key], other[key])
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return merged
