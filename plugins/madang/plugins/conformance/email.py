"""Conformance of an e-mail sender."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.keys import KeyedConformance
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Stage, not_found, raised
from madang.plugins.conformance.suite import Read
from madang.ports.email import (
    Attachment,
    EmailAddress,
    EmailReceipt,
    EmailRequest,
    EmailSender,
    EmailStatus,
    EmailTemplate,
)
from madang.ports.errors import Rejected, SignatureInvalid, Unsupported
from madang.ports.provider import ProviderKind
from madang.ports.webhook import WebhookRequest

BUYER: Final = EmailAddress("buyer@example.com", "구매자")
EMAIL: Final = EmailRequest([BUYER], "마당 영수증", "key-1", text="9,900원을 결제했습니다.\n\n.\n끝")
PICTURE: Final = Attachment("logo.png", "image/png", b"\x89PNG\x00\xff\r\n.\r\n", content_id="logo")
PAPER: Final = Attachment("receipt.pdf", "application/pdf", b"%PDF-1.7 \x00\xff")
MOMENT: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INJECTED: Final = "hello\r\nBcc: everyone@example.com"
REFUSED: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "nobody": ({"to": []}, "invalid_recipient"),
    "no domain": ({"to": [EmailAddress("no-domain")]}, "invalid_recipient"),
    "two in one": ({"to": [EmailAddress("a@example.com, b@example.com")]}, "invalid_recipient"),
    "an address of two lines": ({"to": [EmailAddress("a@example.com\r\nBcc: b@example.com")]}, "invalid_recipient"),
    "an address with brackets": ({"cc": [EmailAddress("a@example.com>, <b@example.com")]}, "invalid_recipient"),
    "a hidden recipient without domain": ({"bcc": [EmailAddress("nobody")]}, "invalid_recipient"),
    "a sender without domain": ({"sender": EmailAddress("nobody")}, "invalid_sender"),
    "a subject of two lines": ({"subject": INJECTED}, "invalid_request"),
    "a name of two lines": ({"to": [EmailAddress("a@example.com", INJECTED)]}, "invalid_request"),
    "a sender's name of two lines": ({"sender": EmailAddress("other@madang.example", INJECTED)}, "invalid_request"),
    "a name to answer to of two lines": ({"reply_to": EmailAddress("help@madang.example", INJECTED)}, "invalid_request"),
    "an address to answer to without domain": ({"reply_to": EmailAddress("nobody")}, "invalid_sender"),
    "a header of our own": ({"headers": {"Bcc": "everyone@example.com"}}, "invalid_request"),
    "a header of two lines": ({"headers": {"X-A": INJECTED}}, "invalid_request"),
    "a header's name of two lines": ({"headers": {"X-A: 1\r\nBcc": "everyone@example.com"}}, "invalid_request"),
    "no content": ({"text": None}, "invalid_request"),
}


class EmailConformance(KeyedConformance):
    """`states` are the provider's words for what became of an e-mail; the remote's `becomes(receipt_id, word)` makes it so.
    `extra` is something that only this provider knows, with a text as value; the remote side must get it."""

    kind = ProviderKind.EMAIL
    operation = "send"
    private = (BUYER.address, "구매자", "9,900")
    states: ClassVar[Mapping[str, EmailStatus]] = {}
    sender: ClassVar[str] = "other@madang.example"
    """A sender of ours besides the configured one, which the remote side takes."""
    template: ClassVar[EmailTemplate] = EmailTemplate("welcome", {"name": "지우"})
    """A template that the remote side has."""
    extra: ClassVar[Mapping[str, Any]] = {}

    def reports(self) -> Mapping[EmailStatus, WebhookRequest]:
        """For a provider with `webhooks`: genuine deliveries, signed with the secret of `settings()`, each of which tells one
        thing of one e-mail to `BUYER`. At least that it was delivered, bounced for good, and was complained of."""
        raise NotImplementedError(f"{type(self).__name__} has no reports(): answer deliveries as the provider signs them")

    def webhook(self) -> WebhookRequest:
        """A genuine delivery, which may tell of several e-mails."""
        return self.reports()[EmailStatus.DELIVERED]

    async def act(self, provider: EmailSender, key: str, timeout: float = 20.0) -> EmailReceipt:
        return await provider.send(replace(EMAIL, idempotency_key=key, timeout=timeout))

    async def reads(self, provider: EmailSender) -> Mapping[str, Read]:
        questions: dict[str, Read] = dict(await super().reads(provider))
        able = provider.capabilities
        if able.delivery_reports:
            receipt = await self.act(provider, "key-asked")
            questions["fetch"] = lambda: provider.fetch(receipt.id)
        if able.finds_by_key:
            await self.act(provider, "key-asked")
            questions["find"] = lambda: provider.find("key-asked")
        return questions

    @must("Hand over every part of the e-mail, the hidden recipients, the headers and the files included.")
    async def test_an_email_reaches_the_provider_whole(self, stage: Stage, provider: EmailSender) -> None:
        able = provider.capabilities
        files = [PAPER] * able.attachments + [PICTURE] * able.inline_attachments
        request = replace(
            EMAIL,
            html='<p>9,900원 <img src="cid:logo"></p>',
            cc=[EmailAddress("cc@example.com")],
            bcc=[EmailAddress("hidden@example.com")],
            reply_to=EmailAddress("help@madang.example"),
            attachments=files,
            headers={"X-Entity-Ref-ID": "entity-7"},
        )
        receipt = await provider.send(request)
        assert receipt.id
        assert receipt.status in (EmailStatus.ACCEPTED, EmailStatus.DELIVERED)
        if stage.service is not None:
            [arrived] = stage.service.acting
            said = self.wire(arrived)
            addresses = ("buyer@example.com", "cc@example.com", "hidden@example.com", "help@madang.example")
            contents = [base64.b64encode(each.data).decode() for each in files] + [each.filename for each in files]
            for words in (*addresses, EMAIL.subject, EMAIL.text, request.html, "구매자", "entity-7", *contents):
                assert words is not None
                assert words in said, f"{words!r} did not reach the provider"

    @must("A request's own sender comes before the configured one.")
    async def test_a_request_may_name_its_sender(self, stage: Stage, provider: EmailSender) -> None:
        await provider.send(replace(EMAIL, sender=EmailAddress(self.sender, "다른 이")))
        if stage.service is not None:
            said = self.wire(stage.service.acting[-1])
            assert self.sender in said
            assert "다른 이" in said

    @must("Refuse it with Rejected and the port's word for the reason, before it leaves: one line more is another recipient.")
    @pytest.mark.parametrize("case", REFUSED)
    async def test_a_bad_email_is_refused_before_it_leaves(self, stage: Stage, provider: EmailSender, case: str) -> None:
        change, reason = REFUSED[case]
        await self._rejected(provider, replace(EMAIL, **change), reason)
        if stage.service is not None:
            assert not stage.service.acting

    @must("Refuse more recipients than max_recipients and more bytes than max_bytes, and take as many recipients as you say.")
    async def test_more_than_the_capabilities_say_is_refused(self, provider: EmailSender) -> None:
        able = provider.capabilities
        many = [EmailAddress(f"p{number}@example.com") for number in range(able.max_recipients + 1)]
        await provider.send(replace(EMAIL, to=many[:1], cc=many[1:2], bcc=many[2:-1]))
        await self._rejected(
            provider, replace(EMAIL, to=many[:1], bcc=many[1:], idempotency_key="key-2"), "too_many_recipients"
        )
        if able.attachments:
            large = Attachment("large.bin", "application/octet-stream", bytes(able.max_bytes))
            await self._rejected(provider, replace(EMAIL, attachments=[large], idempotency_key="key-3"), "too_large")

    @must("Send the tags, the template or the file, or raise Unsupported and say so in the capabilities.")
    @pytest.mark.parametrize("wish", ["templates", "tags", "attachments", "inline_attachments"])
    async def test_a_wish_is_fulfilled_or_unsupported(self, stage: Stage, provider: EmailSender, wish: str) -> None:
        requests = {
            "templates": (replace(EMAIL, text=None, template=self.template), self.template.reference),
            "tags": (replace(EMAIL, tags=["receipt"]), "receipt"),
            "attachments": (replace(EMAIL, attachments=[PAPER]), PAPER.filename),
            "inline_attachments": (replace(EMAIL, html='<img src="cid:logo">', attachments=[PICTURE]), "logo"),
        }
        request, words = requests[wish]
        if not getattr(provider.capabilities, wish):
            await raised(self.name, "send", provider.send(request), (Unsupported,))
            return
        await provider.send(request)
        if stage.service is not None:
            said = self.wire(stage.service.acting[-1])
            assert words in said
            assert wish != "templates" or all(str(each) in said for each in self.template.values.values())

    @must('A template beside a text is Rejected(reason="invalid_request"), or Unsupported where there are no templates.')
    async def test_a_template_stands_alone(self, provider: EmailSender) -> None:
        expected = (Rejected,) if provider.capabilities.templates else (Rejected, Unsupported)
        await raised(self.name, "send", provider.send(replace(EMAIL, template=self.template)), expected)

    @must("Pass `extra` on as it is, and name one in the suite's `extra`; where nothing can be extra, raise Unsupported.")
    async def test_extra_is_passed_through_or_unsupported(self, stage: Stage, provider: EmailSender) -> None:
        if stage.service is None:
            pytest.skip("there is nothing outside to pass it to")
        if not self.extra:
            call = provider.send(replace(EMAIL, extra={"something": "extra"}))
            await raised(self.name, "send", call, (Unsupported,))
            return
        await provider.send(replace(EMAIL, extra=self.extra))
        said = self.wire(stage.service.acting[-1])
        assert all(str(value) in said for value in self.extra.values())

    @must('fetch() tells what became of an e-mail, and Rejected(reason="not_found") of none; else Unsupported.')
    async def test_an_email_is_fetched_by_its_id(self, stage: Stage, provider: EmailSender) -> None:
        if not provider.capabilities.delivery_reports:
            await raised(self.name, "fetch", provider.fetch("any"), (Unsupported,))
            return
        receipt = await provider.send(EMAIL)
        assert (await provider.fetch(receipt.id)).id == receipt.id
        unknown = receipt.id[:-1] + ("0" if receipt.id[-1] != "0" else "1")
        for each in (unknown, "../emails", "a/b?c=d"):
            await not_found(stage, "fetch", provider.fetch(each))

    @must("Map each of the provider's states by a table; one that is not in it is ACCEPTED, never DELIVERED or FAILED.")
    async def test_each_state_of_the_provider_has_its_status(self, stage: Stage, provider: EmailSender) -> None:
        if not provider.capabilities.delivery_reports or stage.service is None:
            pytest.skip("there is no state to ask for")
        assert EmailStatus.DELIVERED in self.states.values(), "say in `states` which words of the provider mean what"
        receipt = await provider.send(EMAIL)
        for word, status in {**self.states, "a-state-to-come": EmailStatus.ACCEPTED}.items():
            stage.service.becomes(receipt.id, word)
            fetched = await provider.fetch(receipt.id)
            assert fetched.status is status, f"{word!r} means {status}"
            bad = status in (EmailStatus.FAILED, EmailStatus.BOUNCED)
            assert fetched.error or not bad, f"{word!r} is a failure without the provider's words"

    @must(
        "Verify the signature over the bytes as they came, and the time, before you read; the same delivery has the same ids."
    )
    async def test_a_delivery_is_believed_when_its_signature_is_right(self, provider: EmailSender) -> None:
        if not provider.capabilities.webhooks:
            with pytest.raises(Unsupported):
                provider.read_webhook(WebhookRequest({}, b"", MOMENT))
            return
        genuine = self.webhook()
        notices, again = provider.read_webhook(genuine), provider.read_webhook(genuine)
        assert notices
        assert [each.event_id for each in notices] == [each.event_id for each in again]
        assert len({each.event_id for each in notices}) == len(notices)

    @must("Read from a report which e-mail it is about, to whom, what became of it, and whether writing again is pointless.")
    async def test_each_report_says_what_became_of_the_email(self, provider: EmailSender) -> None:
        if not provider.capabilities.webhooks:
            pytest.skip("it does not claim webhooks")
        reports = self.reports()
        assert {EmailStatus.DELIVERED, EmailStatus.BOUNCED, EmailStatus.COMPLAINED} <= set(reports), "give these reports"
        for status, request in reports.items():
            [notice] = provider.read_webhook(request)
            assert notice.status is status
            assert notice.receipt_id, "the report names its e-mail"
            assert notice.recipient == BUYER.address
            assert notice.permanent == (status in (EmailStatus.BOUNCED, EmailStatus.COMPLAINED))
            assert notice.error or status is not EmailStatus.BOUNCED, "a bounce without the provider's words"
            assert BUYER.address not in repr(notice), "no address where it is logged"

    @must("Raise SignatureInvalid for what the provider did not send: another body, no or another signature, another day.")
    async def test_a_forged_delivery_is_refused(self, provider: EmailSender) -> None:
        if not provider.capabilities.webhooks:
            pytest.skip("it does not claim webhooks")
        genuine = self.webhook()
        forged = {
            "another body": replace(genuine, body=genuine.body.replace(b"e", b"E", 1)),
            "one byte more": replace(genuine, body=genuine.body + b" "),
            "no body": replace(genuine, body=b""),
            "no headers": replace(genuine, headers={}),
            "a time beyond all calendars": replace(genuine, headers=dict.fromkeys(genuine.headers, "9" * 12)),
            "a replay of the day after": replace(genuine, received_at=genuine.received_at + timedelta(days=1)),
        }
        for what, request in forged.items():
            try:
                provider.read_webhook(request)
            except SignatureInvalid:
                continue
            pytest.fail(f"it believed {what}")

    async def _rejected(self, provider: EmailSender, request: EmailRequest, reason: str) -> None:
        error = await raised(self.name, "send", provider.send(request), (Rejected,))
        assert getattr(error, "reason", "") == reason
        assert not any(each.address and each.address in str(error) for each in request.to), "no address in an error"
