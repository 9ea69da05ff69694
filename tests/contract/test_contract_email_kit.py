"""Resend, SMTP and the sandbox's letter-box through the conformance kit."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from contract.fake_mail_service import FakeMailService, words_of_mail
from contract.fake_resend import API_KEY, FakeResend
from contract.fake_smtp import PASSWORD, USER
from contract.sandbox_faults import SandboxFaults
from contract.signed_by_resend import SECRET, delivery
from madang.adapters.resend.mapping import STATUSES
from madang.plugins.conformance.email import BUYER, EmailConformance
from madang.plugins.conformance.remote import Arrived, Fault
from madang.plugins.conformance.stage import Stage
from madang.ports.email import EmailStatus, EmailTemplate
from madang.ports.webhook import WebhookRequest


class TestResend(EmailConformance):
    plugin = "madang.plugins.builtin.resend"
    name = "resend"
    states = STATUSES
    template = EmailTemplate("tmpl-1", {"name": "지우", "count": 3})
    extra: ClassVar[Mapping[str, Any]] = {"topic_id": "topic-7"}

    def remote(self) -> FakeResend:
        return FakeResend()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"api_key": API_KEY, "sender": "noreply@madang.example", "webhook_secret": SECRET, "base_url": url}

    def reports(self) -> Mapping[EmailStatus, WebhookRequest]:
        bounce = {"type": "Permanent", "subType": "General", "message": f"550 {BUYER.address} unknown"}
        return {
            EmailStatus.DELIVERED: delivery("email.delivered"),
            EmailStatus.DELAYED: delivery("email.delivery_delayed"),
            EmailStatus.BOUNCED: delivery("email.bounced", bounce=bounce),
            EmailStatus.COMPLAINED: delivery("email.complained"),
        }


class TestSmtp(EmailConformance):
    plugin = "madang.plugins.builtin.smtp"
    name = "smtp"
    unmet: ClassVar[Mapping[Fault, str]] = {
        Fault.RATE_LIMITED: "SMTP has no reply of its own for too many messages",
        Fault.SERVER_ERROR: "a mail server that replies has decided: what it refuses it has not taken",
    }

    def remote(self) -> FakeMailService:
        return FakeMailService()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": urlsplit(url).port,
            "security": "none",
            "sender": "noreply@madang.example",
            "username": USER,
            "password": PASSWORD,
            "hello": "client.example.com",
        }

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """Passwords are refused before there is a message."""
        assert stage.service is not None
        met_at = "AUTH" if fault is Fault.WRONG_KEY else "DATA" if operation == "send" else "EHLO"
        stage.service.plan(fault, only=lambda request: request.method == met_at)

    def wire(self, request: Arrived) -> str:
        return words_of_mail(request)


class TestSandbox(SandboxFaults, EmailConformance):
    port = "email"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {}
