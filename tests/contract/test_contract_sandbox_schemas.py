"""How the sandbox's text model keeps to a schema at its edges, and what it makes of languages, lights and particles."""

import io
from typing import Any

import pytest
from PIL import Image

from madang.adapters.sandbox.answers import Answerer, number_value
from madang.adapters.sandbox.chance import dice
from madang.adapters.sandbox.prose import cost, light_sentence, particle
from madang.adapters.sandbox.reading import Light, Offer, Reading, language_of, read
from madang.adapters.sandbox.strings import string_value
from madang.ports.errors import Rejected
from madang.ports.text_model import Picture, PromptMessage, Role

SKIN = [Offer(code, "skin", code, None, (low, 2 * low)) for code, low in (("AB12", 1000), ("AB13", 2000), ("AB14", 4000))]
READING = Reading("en", ["word", "other", "third", "fourth"], SKIN, ())
SEEDS = range(40)


def answers(schema: Any) -> list[Any]:
    return [Answerer(schema, READING, seed).answer() for seed in SEEDS]


@pytest.mark.parametrize(
    ("schema", "possible"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 5}, {3, 4, 5}),
        ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 6}, {4, 5}),
        ({"type": "integer", "maximum": -98}, set(range(-198, -97))),
        ({"type": "integer", "maximum": 0}, {0}),
        ({"type": "integer", "minimum": 7, "maximum": 7}, {7}),
        ({"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60}, {56}),
        ({"type": "integer", "multipleOf": 0.5, "minimum": 1, "maximum": 2}, {1, 2}),
        ({"type": "number", "multipleOf": 0.25, "minimum": 0.3, "maximum": 0.8}, {0.5, 0.75}),
        ({"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 0.25, "exclusiveMaximum": 0.75}, {0.5}),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001}, None),
        ({"type": "number", "minimum": 2, "maximum": 2}, {2}),
    ],
)
def test_numbers_are_within_their_bounds(schema: dict[str, Any], possible: set[float] | None) -> None:
    made = set(answers(schema))
    if possible is None:
        assert all(0 < each < 0.001 for each in made)
    else:
        assert made <= possible
        assert len(made) > 1 or len(possible) == 1
    assert all(isinstance(each, int) for each in made) or schema["type"] == "number"


@pytest.mark.parametrize("name", ["score", "star_rating", "confidence", "size"])
def test_scores_are_good_ones(name: str) -> None:
    made = [number_value({"minimum": 0, "maximum": 100}, name, False, dice(seed)) for seed in SEEDS]
    assert (min(made) >= 60 and max(made) <= 95) == (name != "size")


@pytest.mark.parametrize(
    ("schema", "is_so"),
    [
        ({"type": "array", "items": {"type": "integer"}}, lambda made: len(made) in (2, 3)),
        ({"type": "array", "minItems": 5, "items": {}}, lambda made: len(made) == 5),
        ({"type": "array", "maxItems": 1, "items": {}}, lambda made: len(made) == 1),
        ({"type": "array", "items": False}, lambda made: made == []),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "items": False, "minItems": 9}, lambda made: made == [1, 2]),
        ({"prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 3}, lambda made: made == [1, 2, 2]),
        ({"items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3}, lambda made: set(made) == {"a", "b", "c"}),
        ({"items": {"type": "boolean"}, "minItems": 70}, lambda made: len(made) == 70),
        ({"items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 3}, lambda made: sorted(made) == ["a", "b"]),
        ({"items": {}, "maxItems": 0}, lambda made: made == []),
        ({"additionalProperties": {"type": "integer"}}, lambda made: len(made) == 2),
        ({"additionalProperties": {"const": 1}, "maxProperties": 1}, lambda made: [*made.values()] == [1]),
        ({"type": "object", "minProperties": 3}, lambda made: len(made) == 3),
        ({"type": "object"}, lambda made: made == {}),
        ({"type": "object", "minProperties": 3, "additionalProperties": False}, lambda made: made == {}),
        (
            {"additionalProperties": {"const": 1}, "propertyNames": {"enum": ["x", "y"]}},
            lambda made: made == {"x": 1, "y": 1},
        ),
        ({"required": ["a"], "additionalProperties": {"const": 1}}, lambda made: made["a"] == 1),
        (
            {"allOf": [{"minLength": 2, "maxLength": 9}, {"minLength": 3, "maxLength": 8}], "type": "string"},
            lambda made: 3 <= len(made) <= 8,
        ),
        ({"allOf": [{"minItems": 4}, {"minItems": 1, "maxItems": 4}, {"maxItems": 9}]}, lambda made: len(made) == 4),
        (
            {"allOf": [{"minimum": 4, "maximum": 6}, {"minimum": 1, "maximum": 9}], "type": "integer"},
            lambda made: 4 <= made <= 6,
        ),
        (
            {
                "allOf": [{"exclusiveMinimum": 4, "exclusiveMaximum": 6}, {"exclusiveMinimum": 1, "exclusiveMaximum": 9}],
                "type": "integer",
            },
            lambda made: made == 5,
        ),
        (
            {"allOf": [{"required": [name], "properties": {name: {"const": name}}} for name in ("a", "b")]},
            lambda made: made == {"a": "a", "b": "b"},
        ),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 5}}}, lambda made: made == 5),
        (
            {"minLength": 4, "$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "maxLength": 5}}},
            lambda made: 4 <= len(made) <= 5,
        ),
        ({"anyOf": [{"type": "null"}]}, lambda made: made is None),
        ({"oneOf": [{"type": "null"}, {"const": 1}]}, lambda made: made == 1),
        ({"enum": [None]}, lambda made: made is None),
        ({"enum": [None, 1]}, lambda made: made == 1),
        ({"enum": ["AB13", "x"]}, lambda made: made == "AB13"),
        ({"type": ["null"]}, lambda made: made is None),
        ({"type": "string", "maxLength": 0}, lambda made: made == ""),
        ({"type": "string", "minLength": 300, "maxLength": 310}, lambda made: 300 <= len(made) <= 310),
        ({"type": "string", "pattern": "^[A-Z]{2}12$"}, lambda made: made == "AB12"),
        ({"type": "string", "pattern": "^[A-Z]+[0-9]+$", "minLength": 4, "maxLength": 4}, lambda made: made == "AB12"),
        ({"type": "string", "pattern": r"^[+*]\+x*$"}, lambda made: len(made) <= 5),
        ({"type": "string", "pattern": "^(ab)+z$"}, lambda made: 3 <= len(made) <= 13),
        ({"type": "string", "pattern": "^z[a-z]*$", "maxLength": 2}, lambda made: len(made) in (1, 2)),
        ({"type": "string", "pattern": "^z[a-z]{20}$|^q$", "minLength": 20}, lambda made: len(made) == 21),
    ],
)  # fmt: skip
def test_an_edge_of_a_schema_is_kept_to(schema: dict[str, Any], is_so: Any) -> None:
    for made in answers(schema):
        assert is_so(made)


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    for way in ("#", "#/", "#/$defs/a"):
        schema = {"required": ["n"], "properties": {"n": {"const": 1}, "more": {"$ref": way}}}
        depth, made = 0, Answerer({**schema, "$defs": {"a": schema}}, READING).answer()
        while "more" in made:
            depth, made = depth + 1, made["more"]
        assert (depth, made) == (7, {"n": 1})
    tree = {"required": ["all"], "properties": {"all": {"type": "array", "items": {"$ref": "#"}}}}
    depth, made = 0, Answerer(tree, READING).answer()
    while made["all"]:
        depth, made = depth + 1, made["all"][0]
    assert depth == 3
    for schema in ({"additionalProperties": {"$ref": "#"}}, {"type": "array", "items": {"$ref": "#"}}):
        depth, made = 0, Answerer(schema, READING).answer()
        while made:
            depth, made = depth + 1, next(iter(made.values())) if isinstance(made, dict) else made[0]
        assert depth == 7
    either = {
        "anyOf": [
            {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}},
            {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
            {"type": "string"},
        ]
    }
    assert answers(either)


def test_a_reference_to_itself_is_a_text() -> None:
    made = Answerer({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, READING).answer()
    assert isinstance(made, str)


def test_a_text_is_cut_at_a_word_where_that_leaves_half_of_it() -> None:
    made = [string_value({"maxLength": 30}, READING, dice(seed), "wish", 0, 0) for seed in SEEDS]
    assert all(15 <= len(each) <= 30 and not each.endswith(" ") for each in made)
    assert {each.rsplit(" ", 1)[-1] for each in made} <= set(
        " ".join(string_value({}, READING, dice(seed), "wish", 0, 0) for seed in SEEDS).split()
    )
    assert all(len(string_value({"maxLength": 3}, READING, dice(seed), "wish", 0, 0)) == 3 for seed in SEEDS)
    assert [string_value({}, READING, dice(1), "codes", 0, variant) for variant in range(4)] == ["AB12", "AB13", "AB14", "AB12"]


@pytest.mark.parametrize(
    ("asked", "everything", "language"),
    [
        ("가abc", "", "en"), ("가ab", "", "ko"), ("", "", "en"), ("가", "locale: EN", "en"), ("a", "in Korean", "ko"),
        ("a", "language is: 한국어", "ko"), ("가", "영어로", "en"), ("a", "한국어로", "ko"),
        ("가", "한국어로, in english", "en"), ("a", "Locale = `ko`", "en"), ("a", "언어：'ko'", "ko"), ("a", "in korean", "ko"),
    ],
)  # fmt: skip
def test_the_language_is_what_was_told_last_else_what_was_asked_in(asked: str, everything: str, language: str) -> None:
    assert language_of(asked, everything) == language


@pytest.mark.parametrize(
    ("light", "words"),
    [
        (Light(58, 1, 6), "bright and warm"), (Light(57, 1, 5), "balanced and neutral"),
        (Light(38, 1, -3), "balanced and neutral"), (Light(37, 1, -4), "calm and cool"),
    ],
)  # fmt: skip
def test_a_light_has_words(light: Light, words: str) -> None:
    seen = f"The original photo looks {words}, with {light.brightness}% brightness and 1% contrast."
    assert light_sentence(Reading("en", (), (), [light])) == seen
    assert light_sentence(Reading("en", (), (), [light, light])) == f"{seen} The 1 finished pictures look {words}."


@pytest.mark.parametrize(
    ("word", "forms"),
    [("물", "은 이 을 과 로"), ("집", "은 이 을 과 으로"), ("해", "는 가 를 와 로"), ("", "는 가 를 와 로"),
     ("B", "은 이 을 과 으로"), ("a", "는 가 를 와 로"), ("7", "은 이 을 과 으로"),
     ("2", "는 가 를 와 로"), ("힣", "은 이 을 과 으로")],
)  # fmt: skip
def test_a_word_carries_its_particles(word: str, forms: str) -> None:
    assert " ".join(particle(word, kind) for kind in ("은", "이", "을", "과", "으로")) == forms


def test_what_is_not_chosen_begins_with_two_of_the_first_two_themes() -> None:
    other = [Offer(f"CD1{n}", theme, "", None, (10**n, 10**n)) for n, theme in enumerate(("a", "b", "b", "b", "c"))]
    assert cost(Reading("en", (), other, ()), dice(1)) == "111 - 111 KRW"
    assert cost(READING, dice(1)) == "3,000 - 6,000 KRW"


def test_a_second_code_of_a_line_has_what_follows_it() -> None:
    offers = read([PromptMessage(Role.USER, "AB12 gentle care AB13 strong care AB14 jaw care\nAB12 | once more")]).offers
    assert [(each.code, each.title) for each in offers] == [
        ("AB12", "gentle care"),
        ("AB13", "strong care"),
        ("AB14", "jaw care"),
    ]


def test_a_line_of_one_name_has_that_for_its_title_and_no_theme() -> None:
    told = "AB12 | hair | short cut\nAB13 | hair | long waves\nAB14 | quiet glow"
    assert [(each.theme, each.title) for each in read([PromptMessage(Role.USER, told)]).offers] == [
        ("hair", "short cut"),
        ("hair", "long waves"),
        ("", "quiet glow"),
    ]


@pytest.mark.parametrize("kind", ["nothing", "cut off", "too many pixels"])
def test_a_picture_that_cannot_be_read_is_refused(kind: str) -> None:
    out = io.BytesIO()
    Image.new("1", (10_000, 5_001) if kind == "too many pixels" else (64, 64)).save(out, "PNG")
    data = {"nothing": b"", "cut off": out.getvalue()[:-40]}.get(kind, out.getvalue())
    with pytest.raises(Rejected) as refused:
        read([PromptMessage(Role.USER, "look", [Picture(data)])])
    assert (refused.value.reason, refused.value.operation) == ("invalid_request", "text_model.generate")
