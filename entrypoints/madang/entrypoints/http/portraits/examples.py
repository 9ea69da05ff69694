"""Examples of the Portraits calls for the OpenAPI document; a test decodes each with its own shape."""

from collections.abc import Mapping
from typing import Any, Final

ID: Final = "01997f2e-6c00-7a10-9c3e-0242ac120002"
_CREATED: Final = "2026-01-05T12:00:00+09:00"
_UPDATED: Final = "2026-01-05T12:07:30+09:00"
_EXPIRES: Final = "2026-01-06T12:00:00+09:00"
_PRICE: Final = {"amount": 9900, "currency": "KRW"}
_CHECKOUT: Final = "https://pay.example.com/checkout/c_1"

ORDER: Final = {"locale": "ko", "clientReference": "order-1001"}
PHONE: Final = {"phone": "010-0000-0000"}
SURVEY: Final = {"score": 5, "comment": "Better than I hoped."}
SURVEY_ANSWER: Final = {**SURVEY, "createdAt": _UPDATED}
ACCESS: Final = {"resultToken": "<result token>", "expiresAt": "2026-01-05T13:07:30+09:00"}

ORDERED: Final = {
    "id": ID,
    "token": "<job token>",
    "tokenExpiresAt": "2026-02-04T12:00:00+09:00",
    "status": "pending_payment",
    "amount": _PRICE,
    "checkout": {"url": _CHECKOUT, "clientParams": {}},
    "clientReference": "order-1001",
    "createdAt": _CREATED,
    "expiresAt": _EXPIRES,
}


def _portrait(status: str, progress: int, awaiting: str | None, **more: Any) -> Mapping[str, Any]:
    return {
        "id": ID,
        "status": status,
        "progress": progress,
        "awaiting": awaiting,
        "amount": _PRICE,
        "pictures": [],
        "createdAt": _CREATED,
        "updatedAt": _UPDATED,
        "expiresAt": _EXPIRES,
        "completedAt": None,
        "checkoutUrl": None,
        "resultUrl": None,
        "failure": None,
        "deletionReceipt": None,
        **more,
    }


UNPAID: Final = _portrait("pending_payment", 0, "payment", checkoutUrl=_CHECKOUT)
PENDING_UPLOAD: Final = _portrait("pending_upload", 20, "photo")
PROCESSING: Final = _portrait("processing", 30, "pictures")
PORTRAIT: Final = _portrait(
    "processing",
    60,
    "pictures",
    pictures=[{"index": 0, "status": "made"}, {"index": 1, "status": "made"}, {"index": 2, "status": "waiting"}],
)


def _link(name: str) -> Mapping[str, Any]:
    return {"url": f"https://files.example.com/{name}?signature=abc", "expiresAt": "2026-01-05T13:07:30+09:00"}


def _picture(index: int) -> Mapping[str, Any]:
    return {
        "index": index,
        "seed": 1000 + index,
        "width": 1536,
        "height": 2048,
        "full": _link(f"{index}.png"),
        "webp": _link(f"{index}.webp"),
        "thumbnail": _link(f"{index}-small.jpg"),
    }


CARE: Final = {
    "code": "SC003",
    "category": "skin",
    "titleKo": "수분 장벽 관리",
    "titleEn": "Moisture barrier care",
    "descriptionKo": "세라마이드 보습제를 하루 두 번 바릅니다.",
    "descriptionEn": "Use a ceramide moisturiser twice a day.",
    "weeksMin": 4,
    "weeksMax": 8,
    "costMin": 30000,
    "costMax": 80000,
}
RESULT: Final = {
    "id": ID,
    "pictures": [_picture(0), _picture(1), _picture(2)],
    "report": {
        "summary": "고른 피부톤과 정돈된 눈썹이 인상을 환하게 합니다.",
        "improvements": [{"area": "피부", "description": "피부톤을 고르게 합니다.", "recommendations": ["SC003"]}],
        "timeline": "8–12주",
        "estimatedCost": "300,000–800,000원",
    },
    "care": {"SC003": CARE},
    "surveyed": False,
    "expiresAt": _EXPIRES,
}

PHOTO_SCHEMA: Final = {
    "type": "object",
    "required": ["photo"],
    "properties": {
        "photo": {"type": "string", "format": "binary", "description": "JPEG or PNG, at most 10 MB, at least 512×512."},
        "crop": {"$ref": "#/components/schemas/CropBody"},
    },
    "additionalProperties": False,
}
PHOTO_ENCODING: Final = {"photo": {"contentType": "image/jpeg, image/png"}, "crop": {"contentType": "application/json"}}
PHOTO_FORM: Final = {"photo": "(the file)", "crop": {"x": 120, "y": 0, "width": 768, "height": 1024}}
