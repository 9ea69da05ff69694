"""What the sandbox's pages say, in Korean and English."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "sandbox": ("샌드박스", "Sandbox"),
    "simulation": (
        "연습용 화면입니다. 실제 결제·문자·메일은 발생하지 않습니다.",
        "This is a simulation: no money moves, and no message leaves this machine.",
    ),
    "index_note": ("모의 서비스에 도착한 것들을 볼 수 있습니다.", "What arrived at the simulated providers."),
    "checkout": ("모의 결제창", "Simulated checkout"),
    "order": ("주문 번호", "Order"),
    "sum": ("금액", "Amount"),
    "state": ("상태", "State"),
    "reason": ("사유", "Reason"),
    "method": ("결제 수단", "Pay with"),
    "method_card": ("신용카드", "Card"),
    "method_transfer": ("계좌이체", "Transfer"),
    "method_easy_pay": ("간편결제", "Wallet"),
    "method_phone": ("휴대폰", "Phone bill"),
    "pay": ("{amount} 결제하기", "Pay {amount}"),
    "decline": ("카드 거절", "Decline the card"),
    "cancel": ("결제 취소", "Cancel"),
    "tests": ("시험해 보기", "Try what can go wrong"),
    "webhook_now": ("결제 알림을 바로 보내기", "Send the notice at once"),
    "webhook_later": ("결제 알림을 10초 늦게 보내기", "Send the notice 10 seconds late"),
    "webhook_twice": ("결제 알림을 두 번 보내기", "Send the notice twice"),
    "webhook_lost": ("결제 알림을 보내지 않기", "Lose the notice"),
    "stay": ("결제 후 이 창에 머무르기 (브라우저가 돌아가지 않음)", "Stay here afterwards (the browser never returns)"),
    "ended": ("이 결제창에서는 더 할 일이 없습니다.", "There is nothing more to do in this checkout."),
    "back": ("상점으로 돌아가기", "Back to the shop"),
    "status_pending": ("결제 대기", "Waiting"),
    "status_paid": ("결제 완료", "Paid"),
    "status_partly_refunded": ("부분 환불", "Partly refunded"),
    "status_refunded": ("환불 완료", "Refunded"),
    "status_failed": ("결제 실패", "Declined"),
    "status_cancelled": ("취소됨", "Cancelled"),
    "status_expired": ("시간 만료", "Expired"),
    "failure_declined": ("카드사가 거절했습니다. 다시 시도할 수 있습니다.", "The card was declined. You may try again."),
    "sms": ("문자 메시지", "Text messages"),
    "sms_note": ("이 휴대폰은 모의 휴대폰입니다.", "A pretend phone."),
    "emails": ("받은 메일", "E-mails"),
    "emails_note": ("보낸 메일이 모두 여기에 도착합니다.", "Every e-mail that was sent arrives here."),
    "chat": ("채팅 채널", "Chat channels"),
    "chat_note": ("보낸 채팅 메시지입니다.", "Messages that were posted to channels."),
    "social": ("소셜 게시물", "Social posts"),
    "social_note": ("모의 소셜 서비스에 올라간 글입니다.", "Posts on the simulated platform."),
    "authorize": ("계정 연결", "Connect an account"),
    "authorize_note": ("아무 이름이나 적으면 그 계정으로 연결됩니다.", "Any name connects the account of that name."),
    "handle": ("계정 이름", "Account name"),
    "agree": ("연결에 동의", "Agree and connect"),
    "store_method": ("카드 등록", "Leave a card"),
    "store_method_note": (
        "이 카드로 다음 결제부터 자동으로 결제됩니다. 지금은 결제되지 않습니다.",
        "Later payments will be charged to this card. Nothing is charged now.",
    ),
    "store": ("카드 등록에 동의", "Agree and leave the card"),
    "store_ended": ("이 창에서는 더 할 일이 없습니다.", "There is nothing more to do in this window."),
    "payments": ("결제", "Payments"),
    "deliveries": ("결제 알림 발송", "Webhook deliveries"),
    "event": ("사건", "Event"),
    "tries": ("시도", "Tries"),
    "answer": ("응답", "Answer"),
    "nothing": ("아직 아무것도 없습니다.", "Nothing yet."),
    "not_found": ("찾을 수 없습니다.", "There is nothing here."),
}


def say(language: str, word: str, **values: object) -> str:
    korean, english = WORDS.get(word, (word, word))
    return (korean if language == "ko" else english).format(**values)


def language_of(accept_language: str) -> str:
    """`ko` or `en`, whichever the browser names first; Korean when it names neither."""
    for part in accept_language.lower().split(","):
        code = part.partition(";")[0].strip()[:2]
        if code in ("ko", "en"):
            return code
    return "ko"
