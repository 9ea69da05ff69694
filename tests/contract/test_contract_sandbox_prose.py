"""What the sandbox's text model reads in a prompt and writes of it stays as it is.

`sandbox_prose.json` holds, for each prompt, what is read in it, a part of one answer, and digests of whole ones. After a
change on purpose it is written anew: `python -m contract.test_contract_sandbox_prose` in the folder `tests`.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

from madang.adapters.sandbox import prose
from madang.adapters.sandbox.answers import Answerer
from madang.adapters.sandbox.chance import dice
from madang.adapters.sandbox.reading import read
from madang.adapters.sandbox.strings import FORMATS
from madang.ports.text_model import Picture, PromptMessage, Role

SAID: Final = Path(__file__).with_name("sandbox_prose.json")
SEEDS: Final = range(12)


def picture(*stripes: tuple[int, int, int]) -> Picture:
    """Stripes of one colour each, from left to right."""
    photo = Image.new("RGB", (64, 64))
    wide = 64 // len(stripes)
    for place, colour in enumerate(stripes):
        photo.paste(colour, (place * wide, 0, (place + 1) * wide, 64))
    out = io.BytesIO()
    photo.save(out, "PNG")
    return Picture(out.getvalue())


BRIGHT_AND_WARM: Final = picture((255, 240, 200), (230, 200, 170))
DARK_AND_COOL: Final = picture((20, 40, 90), (60, 70, 100))
PLAIN: Final = picture((120, 120, 120))


def asked(text: str, *pictures: Picture) -> Sequence[PromptMessage]:
    return [PromptMessage(Role.USER, text, pictures)]


PROMPTS: Final[Mapping[str, Sequence[PromptMessage]]] = {
    "korean offers": asked(
        "사진을 보고 관리 리포트를 작성해 주세요. 아래 목록의 코드만 추천하세요.\n"
        "- SC003 | 피부 | 피부톤 균일화 관리 | 4-8주 | 120,000-250,000원\n"
        "- P007 | 피부 | 광채 보습 루틴 | 2~4 주 | 30,000 ~ 50,000 원\n"
        "- SC005 | 얼굴 윤곽 | 턱선 마사지 | 8–12주\n"
        "- SC007 | 얼굴 윤곽 | 브이라인 관리 | 8-12주\n"
        "- HR-01 | 헤어 | 두피 케어",
        BRIGHT_AND_WARM,
        DARK_AND_COOL,
        PLAIN,
    ),
    "english offers": [
        PromptMessage(
            Role.SYSTEM, "You recommend from the list.\n- AB12: glow routine, skin, 2-4 weeks, 100,000 - 200,000 KRW"
        ),
        PromptMessage(Role.USER, "What did we say before about contour?"),
        PromptMessage(Role.ASSISTANT, "ZZ99 | never | offered"),
        PromptMessage(
            Role.USER,
            "Look at the PHOTO and the photos, and write the care report.\n"
            "- AB13: even tone, skin, 4-8 weeks, 1,000 - 2,000 KRW\n- CD14: jaw massage, contour, 8-12 weeks",
            [DARK_AND_COOL],
        ),
    ],
    "keys of categories": asked(
        'Language: ko\n{"code": "EY101", "category": "brows_eyes", "title_en": "brow shaping", "title_ko": "눈썹 정리"}\n'
        '{"code": "DN102", "category": "dental", "title_en": "whitening", "title_ko": "미백"}\n'
        '{"code": "DN103", "category": "dental", "title_en": "aligning", "title_ko": "교정"} EY101 once more',
        PLAIN,
        BRIGHT_AND_WARM,
    ),
    "categories in english": asked(
        "code EY101 (brows_eyes) brow shaping\ncode EY102 (brows_eyes) tinting\ncode ST201 (Style) colour analysis 미백"
    ),
    "a free wish": asked(
        "카페 신메뉴 딸기라떼를 소개하는 글을 써 주세요. 딸기라떼는 봄까지, 카페에서는 창가 자리에서 마십니다."
    ),
    "an english wish": asked("Write a post about espresso machines in SEOUL: espresso for mornings, machines for offices."),
    "nothing": asked("?"),
    "nothing, in korean": asked("한국어로"),
}
FIELDS: Final = (
    "estimated_cost", "timeline", "summary", "area", "hashtag", "keyword", "title", "description", "body", "wish",
    "recommended_code", "score",
)  # fmt: skip
NODE: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/a~1b~0c"}, {"type": "null"}]}},
}
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "$defs": {"a/b~c": NODE},
    "required": ["score", "told"],
    "properties": {
        **{name: {"type": "string"} for name in FIELDS},
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
        "ratio": {"type": "number"},
        "many": {
            "type": "array",
            "minItems": 3,
            "uniqueItems": True,
            "items": {"properties": {**{name: {} for name in FIELDS[2:]}, "codes": {"items": {}}}},
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "yes": {"type": "boolean"},
        "nothing": {"type": "null"},
        "perhaps": {"type": ["null", "integer"]},
        "fixed": {"const": [1]},
        "choice": {"enum": ["SC007", "P007", "AB13", "DN102", "other"]},
        "number": {"enum": [None, 1, 2, 3]},
        "either": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}, {"enum": ["a", "b"]}]},
        "one": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
        "both": {"allOf": [{"minimum": 3, "maximum": 90}, {"minimum": 5, "maximum": 70}], "type": "integer"},
        "chain": {"$ref": "#/$defs/a~1b~0c"},
        "map": {"additionalProperties": {"type": "integer"}, "minProperties": 3},
        "short": {"type": "string", "maxLength": 9},
        "long": {"type": "string", "minLength": 90, "maxLength": 120},
        "pair": {"prefixItems": [{"type": "number"}, {"type": "string"}]},
        "coded": {"type": "string", "pattern": "^[A-Z]+-?[0-9]+$|^[가-힣 ]|^[a-z]"},
        **{f"a_{name}": {"format": name} for name in FORMATS},
    },
}


def read_of(prompt: str) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(read(PROMPTS[prompt]))))


def answered(prompt: str, seed: int) -> Any:
    return Answerer(SCHEMA, read(PROMPTS[prompt]), seed).answer()


def free(prompt: str, seed: int) -> str:
    return prose.paragraph(read(PROMPTS[prompt]), dice(seed))


def digest(prompt: str, seed: int) -> str:
    said = json.dumps([answered(prompt, seed), free(prompt, seed)], ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def told(prompt: str) -> Mapping[str, Any]:
    return {
        "read": read_of(prompt),
        "answer": {name: value for name, value in answered(prompt, 0).items() if name in FIELDS},
        "free": free(prompt, 0),
        "digests": " ".join(digest(prompt, seed) for seed in SEEDS),
    }


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_is_read_and_answered_as_ever(prompt: str) -> None:
    assert told(prompt) == json.loads(SAID.read_text(encoding="utf-8"))[prompt]


if __name__ == "__main__":
    everything = {prompt: told(prompt) for prompt in PROMPTS}
    SAID.write_text(json.dumps(everything, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
