"""The text messages of a portrait job, in the buyer's language (seed 003, 4.5)."""

from typing import Final

from madang.core.portraits.model import Locale

READY: Final = {
    "ko": (
        "[Find My Rizz]\n나의 리즈 사진이 완성되었습니다!\n아래 링크에서 24시간 내에 확인하세요.\n{result_url}\n\n"
        "※ 24시간 후 자동 삭제됩니다."
    ),
    "en": (
        "[Find My Rizz]\nYour portraits are ready!\nSee them within 24 hours here:\n{result_url}\n\n"
        "* Everything is deleted automatically after 24 hours."
    ),
}

FAILED: Final = {
    "ko": (
        "[Find My Rizz]\n죄송합니다. 사진을 완성하지 못했습니다.\n결제하신 9,900원은 전액 환불됩니다.\n"
        "카드사에 따라 며칠이 걸릴 수 있습니다."
    ),
    "en": (
        "[Find My Rizz]\nWe are sorry: your portraits could not be made.\nYour payment of 9,900 KRW is refunded in full.\n"
        "Your card issuer may take a few days."
    ),
}


def ready(locale: Locale, result_url: str) -> str:
    return READY[locale].format(result_url=result_url)


def failed(locale: Locale) -> str:
    return FAILED[locale]
