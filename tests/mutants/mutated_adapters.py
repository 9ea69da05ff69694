"""Which adapters are mutated, and which tests must notice."""

from pathlib import Path
from typing import Final

from source_tree import ROOT

SPARED: Final = frozenset({"__init__.py", "settings.py", "capabilities.py", "declarations.py"})
"""What a deployment says, and what is declared: there is no conduct in it."""

CONTRACT: Final = "tests/contract/test_contract_"
SUITES: Final[dict[str, tuple[str, ...]]] = {
    "clerk": ("clerk_identity.py", "clerk_keys.py", "clerk_reading.py", "identity.py", "identity_webhooks.py"),
    "discord": ("chat_kit.py::TestDiscord", "chat.py", "discord_mapping.py"),
    "gemini": (
        "gemini_text.py", "gemini_image.py", "gemini_schema.py", "gemini_plugin.py", "gemini_legacy.py", "gemini_reading.py",
    ),
    "local": ("local_storage.py", "local_files.py", "storage.py"),
    "memory": ("memory_kit.py", "memory_messages.py", "memory_books.py", "memory_numbers.py"),
    "openai": (
        "openai_text_model.py", "openai_image_model.py", "openai_errors.py", "openai_requests.py", "openai_pictures.py",
    ),
    "opencv": ("opencv_faces.py",),
    "lemonsqueezy": ("lemonsqueezy_mapping.py", "lemonsqueezy_payment.py"),
    "paddle": ("paddle_mapping.py", "paddle_payment.py"),
    "paypal": ("paypal_mapping.py", "paypal_payment.py"),
    "portone": ("portone_edges.py", "portone_reading.py", "portone_payment.py"),
    "provider_http": ("provider_http.py",),
    "replicate": ("replicate_image_model.py", "replicate_mapping.py", "replicate_calls.py", "replicate_edges.py"),
    "resend": ("email_kit.py::TestResend", "email_resend.py"),
    "s3": ("s3_storage.py",),
    "sandbox": (
        "sandbox_schemas.py", "sandbox_knobs.py", "sandbox_books.py", "sandbox_pictures.py", "sandbox_prose.py",
        "sandbox_pages.py",
        "sandbox_sms.py", "sandbox_text_model.py", "sandbox_image_model.py", "sandbox_payment.py", "sandbox_social.py",
        "sandbox_stored_methods.py", "email_kit.py::TestSandbox", "chat_kit.py::TestSandbox",
        "payment.py", "text_model.py", "image_model.py", "webhooks.py", "faults.py", "messages.py",
    ),
    "sendgrid": ("email_sendgrid_edges.py", "email_sendgrid.py"),
    "slack": ("chat_kit.py::TestSlack", "chat.py", "slack_mapping.py"),
    "smtp": ("email_kit.py::TestSmtp", "email_smtp.py", "email_smtp_message.py"),
    "solapi": ("solapi_sms.py",),
    "standard_webhooks": ("standard_webhooks.py",),
    "stripe": ("stripe_documents.py", "stripe_mapping.py", "stripe_calls.py", "stripe_payment.py"),
    "toss": ("toss_edges.py", "toss_reading.py", "toss_payment.py"),
    "twilio": ("twilio_sms.py",),
}  # fmt: skip
FOLDERS: Final[dict[str, tuple[str, ...]]] = {"s3": ("tests/contract/s3",)}


CONNECTIONS: Final = f"{CONTRACT}unanswered_connections.py::test_a_connection_that_is_not_made_in_time_leaves_nothing_done"
REACHED: Final = frozenset(
    (
        "clerk", "discord", "gemini", "lemonsqueezy", "openai", "paddle", "paypal", "portone", "replicate", "resend", "s3",
        "sendgrid", "slack", "solapi", "stripe", "twilio",
    )
)  # fmt: skip
TABLES: Final = f"{CONTRACT}tables.py::test_an_adapters_tables_say_what_its_provider_documents"


def trials_of(adapter: str) -> list[str]:
    told = (ROOT / "tests" / "contract" / "tables" / f"{adapter}.toml").exists()
    tables = [f"{TABLES}[{adapter}]"] if told else []
    connections = [f"{CONNECTIONS}[{adapter}]"] if adapter in REACHED else []
    return [*tables, *connections, *(CONTRACT + each for each in SUITES[adapter]), *FOLDERS.get(adapter, ())]


def modules_of(adapter: str) -> list[Path]:
    folder = ROOT / "adapters" / "madang" / "adapters" / adapter
    return [path for path in sorted(folder.glob("*.py")) if path.name not in SPARED]
