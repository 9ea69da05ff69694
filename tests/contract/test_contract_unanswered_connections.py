"""Addresses that nobody answers at: a host that takes no connection within half of the time, so nothing was sent and nothing
was done, and ports that there cannot be.

The kit does not ask this of everybody: an outcome that is unknown only costs a look-up.
"""

from pathlib import Path

import pytest

from contract import test_contract_chat_kit as chat
from contract import test_contract_clerk_identity as clerk
from contract import test_contract_email_kit as email
from contract import test_contract_email_sendgrid as sendgrid
from contract import test_contract_gemini_text as gemini
from contract import test_contract_lemonsqueezy_payment as lemonsqueezy
from contract import test_contract_openai_text_model as openai
from contract import test_contract_paddle_payment as paddle
from contract import test_contract_paypal_payment as paypal
from contract import test_contract_portone_payment as portone
from contract import test_contract_replicate_image_model as replicate
from contract import test_contract_s3_storage as s3
from contract import test_contract_solapi_sms as solapi
from contract import test_contract_stripe_payment as stripe
from contract import test_contract_toss_payment as toss
from contract import test_contract_twilio_sms as twilio
from madang.plugins.conformance.remote import closed_port
from madang.plugins.conformance.stage import Stage, raised
from madang.plugins.conformance.suite import ProviderConformance
from madang.ports.errors import Misconfigured, Unavailable

SUITES: tuple[type[ProviderConformance], ...] = (
    clerk.TestClerk, gemini.TestGeminiText, chat.TestDiscord, chat.TestSlack, email.TestResend, sendgrid.TestSendgrid,
    lemonsqueezy.TestLemonSqueezy, openai.TestResponses, paddle.TestPaddle, paypal.TestPaypal, portone.TestPortOne,
    replicate.TestReplicate, s3.TestS3, solapi.TestSolapi, stripe.TestStripe, twilio.TestTwilio,
)  # fmt: skip


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
async def test_a_connection_that_is_not_made_in_time_leaves_nothing_done(
    deaf: str, suite: type[ProviderConformance], tmp_path: Path
) -> None:
    shown = suite()
    stage = Stage(shown.kind, shown.plugin, shown.name, shown.settings, None, tmp_path)
    away = stage.build(shown.settings(f"http://127.0.0.1:{closed_port()}"))
    await raised(shown.name, shown.operation, shown.act(away, "key-1"), (Unavailable,))  # an SDK's first call takes its time
    provider = stage.build(shown.settings(deaf))
    await raised(shown.name, shown.operation, shown.act(provider, "key-1", 1.0), (Unavailable,))
    await stage.close()


@pytest.mark.parametrize("port", ["0", "65536", "port"])
@pytest.mark.parametrize("suite", [*SUITES, toss.TestToss], ids=lambda suite: suite.name)
def test_an_address_with_a_port_that_cannot_be_is_refused_when_settings_are_made(
    suite: type[ProviderConformance], port: str, tmp_path: Path
) -> None:
    shown = suite()
    stage = Stage(shown.kind, shown.plugin, shown.name, shown.settings, None, tmp_path)
    with pytest.raises(Misconfigured, match=r"is not an address (with|such as) https://"):
        stage.build(shown.settings(f"https://provider.example:{port}"))
