"""Who runs the deployment hears of an alert by every channel that the settings name, once by each."""

from typing import Any

import pytest

from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from madang.adapters.sandbox import messages

RAISED = {
    "rule": "payment_failures",
    "summary": "12 % of payments failed\r\nBcc: x@example.com",
    "since": "2026-01-05 14:05 KST",
}
CHAT = {**SANDBOX_ROUTES, "chat": ["sandbox"]}
EMAILS = ["on-call@example.com", "lead@example.com"]


async def tell(deployment: Deployment, **changes: Any) -> None:
    asked = {"kind": "operations.alert_raised", "key": "alert:1", "values": RAISED, **changes}
    async with deployment.container.units() as uow:
        await deployment.container.notifications.tell_operators(uow, **asked)


async def posts(deployment: Deployment) -> list[messages.SentMessage]:
    return list(await deployment.world.run(lambda c: messages.recent(c, "chat")))


async def test_an_alert_is_posted_and_mailed_once_to_each_place(open_deployment: OpenDeployment) -> None:
    async with open_deployment(routes=CHAT, operator_emails=EMAILS) as deployment:
        await tell(deployment)
        await deployment.told_to("chat.post:answer_lost@1, email.send:unavailable@1")
        await deployment.work()
        await tell(deployment)
        await deployment.let_pass(minutes=1)
        await deployment.work()
        [post] = await posts(deployment)
        assert post.subject == "Alert: payment_failures"
        assert post.text.startswith("12 % of payments failed")
        assert sorted(mail.recipient for mail in await deployment.e_mails()) == sorted(EMAILS)
        assert {mail.subject for mail in await deployment.e_mails()} == {"Alert: payment_failures"}
        assert await deployment.value("SELECT count(*) FROM notifications WHERE status = 'queued'") == 0


async def test_operators_are_still_being_told_when_the_provider_was_down_for_hours(open_deployment: OpenDeployment) -> None:
    async with open_deployment(operator_emails=EMAILS[:1]) as deployment:
        await deployment.told_to(",".join(f"email.send:unavailable@{number}" for number in range(1, 20)))
        await tell(deployment)
        for _ in range(12):
            await deployment.work()
            await deployment.let_pass(minutes=31)
        [message] = await deployment.rows("SELECT state, failures FROM messages")
        assert (message["state"], message["failures"]) == ("waiting", 12)
        assert await deployment.value("SELECT status FROM notifications") == "queued"


async def test_a_deployment_without_any_place_says_so_in_the_log_and_goes_on(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    await tell(deployment)
    assert "operator_emails is empty" in caplog.text


async def test_a_users_kind_is_not_for_operators(deployment: Deployment) -> None:
    with pytest.raises(LookupError):
        await tell(deployment, kind="identity.password_changed", values={})
