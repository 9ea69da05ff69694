"""Slack's and Discord's webhooks as their guides and descriptions say: what they take, and what they refuse in which words."""

from typing import Any

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

TOKEN = "T0/B0/not-a-real-token"
SPOILT = ("<!", "<@", "<#")


class FakeSlack(RemoteService):
    """Keeps what was posted. Errors are words in plain text."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []

    @property
    def webhook(self) -> str:
        return self.webhook_at(self.url)

    @staticmethod
    def webhook_at(url: str) -> str:
        return f"{url}/services/{TOKEN}"

    def refusal(self, fault: Fault) -> Reply:
        """Slack documents no answer that promises that nothing was posted, besides those of wrong addresses and limits."""
        return Reply(404, "no_service") if fault is Fault.WRONG_KEY else super().refusal(fault)

    def acts(self, request: Arrived) -> bool:
        """A message without a text is only asked whether the webhook is there."""
        return bool(request.json.get("text"))

    def answer(self, request: Arrived) -> Reply:
        if request.path != f"/services/{TOKEN}":
            return Reply(404, "no_service")
        if request.method != "POST" or request.headers.get("content-type") != "application/json":
            return Reply(400, "invalid_payload")
        payload = request.json
        if not (payload.get("text") or payload.get("attachments")):
            return Reply(400, "no_text")
        blocks = payload.get("blocks", []) + [each for part in payload.get("attachments", []) for each in part["blocks"]]
        if not all(map(_is_block, blocks)):
            return Reply(400, "invalid_blocks")
        self.posted.append(payload)
        return Reply(200, "ok")


def _is_block(block: dict[str, Any]) -> bool:
    if block["type"] == "header":
        return block["text"]["type"] == "plain_text" and 0 < len(block["text"]["text"]) <= 150
    fields = block.get("fields", [])
    texts = [each["text"] for each in fields]
    fits = len(fields) <= 10 and all(0 < len(each) <= 2000 for each in texts)
    says = bool(fields) if block.get("text") is None else 0 < len(block["text"]["text"]) <= 3000
    return block["type"] == "section" and fits and says


class FakeDiscord(RemoteService):
    """Keeps what was posted. Errors are JSON with a code."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []

    @property
    def webhook(self) -> str:
        return self.webhook_at(self.url)

    @staticmethod
    def webhook_at(url: str) -> str:
        return f"{url}/api/webhooks/1234/{TOKEN.replace('/', '-')}"

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.WRONG_KEY:
                return Reply(401, {"message": "Invalid Webhook Token", "code": 50027})
            case Fault.RATE_LIMITED:
                limited = {"message": "You are being rate limited.", "retry_after": 0.65, "global": False}
                return Reply(429, limited, {"retry-after": "1"})
        return super().refusal(fault)

    def answer(self, request: Arrived) -> Reply:
        if request.path != self.webhook.removeprefix(self.url):
            return Reply(401, {"message": "Invalid Webhook Token", "code": 50027})
        if request.method == "GET":
            return Reply(200, {"id": "1234", "type": 1})
        if request.headers.get("content-type") != "application/json":
            return Reply(400, {"message": "Invalid Form Body", "code": 50035})
        payload = request.json
        embeds = payload.get("embeds", [])
        if not payload.get("content") and not embeds:
            return Reply(400, {"message": "Cannot send an empty message", "code": 50006})
        if len(payload.get("content") or "") > 2000 or not all(map(_is_embed, embeds)):
            return Reply(400, {"message": "Invalid Form Body", "code": 50035, "errors": {}})
        self.posted.append(payload)
        if request.query.get("wait") != "true":
            return Reply(204)
        return Reply(200, {"id": f"99{len(self.posted)}", "type": 0, "timestamp": "2026-03-01T12:00:00.000000+00:00"})


def _is_embed(embed: dict[str, Any]) -> bool:
    fields = embed.get("fields", [])
    lengths = [len(embed.get("title", "")), len(embed.get("description", ""))]
    sizes = lengths + [len(each["name"]) + len(each["value"]) for each in fields]
    named = all(0 < len(each["name"]) <= 256 and 0 < len(each["value"]) <= 1024 for each in fields)
    return named and len(fields) <= 25 and lengths[0] <= 256 and lengths[1] <= 4096 and sum(sizes) <= 6000
