"""Plugins come in by entry point or by module, ours by the same door as strangers', and loading imports nothing heavy."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from madang.plugins.registry import Deployment, PluginRegistry, PluginState
from madang.ports.errors import Misconfigured
from madang.ports.provider import ProviderKind
from source_tree import ROOT

Install = Callable[..., Path]

STRANGER = """
from madang.plugins import ProviderDeclaration, hookimpl
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsCapabilities

MADANG_CONTRACT = "1.0"


def make(settings, context):
    from madang_stranger.sender import Sender

    return Sender()


@hookimpl
def register_providers(register):
    register(ProviderDeclaration(ProviderKind.SMS, "stranger", None, SmsCapabilities(), make, "A stranger's"))
"""
SENDER = """
from madang.ports.provider import ProviderHealth
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsStatus


class Sender:
    name = "stranger"
    capabilities = SmsCapabilities()

    async def send(self, request):
        return SmsReceipt("1", SmsStatus.ACCEPTED)

    async def fetch(self, receipt_id):
        return SmsReceipt(receipt_id, SmsStatus.DELIVERED)

    async def find(self, idempotency_key):
        return None

    async def check(self):
        return ProviderHealth(True)

    async def close(self):
        pass
"""
FILES = {"madang_stranger/__init__.py": STRANGER, "madang_stranger/sender.py": SENDER}

LOOK = """
import json, sys
from pathlib import Path
from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports.secret import Secret

registry = PluginRegistry.load({}, Deployment("http://127.0.0.1", Path("."), Secret("test-key-not-secret")), variables={})
registry.report()
print(json.dumps([sorted(sys.modules), [each.why for each in registry.report() if not each.configured]]))
"""


def test_an_installed_plugin_is_found_and_builds_and_says_where_it_is_from(install: Install, deployment: Deployment) -> None:
    install("madang-stranger", FILES, {"stranger": "madang_stranger"})
    registry = PluginRegistry.load({}, deployment, variables={})

    report = next(each for each in registry.report() if each.name == "stranger")
    assert (report.configured, report.origin) == (True, "madang-stranger 1.2 (madang_stranger)")
    assert registry.build(ProviderKind.SMS, "stranger").name == "stranger"


def test_a_plugin_that_cannot_be_imported_leaves_the_others_running(install: Install, deployment: Deployment) -> None:
    install(
        "aaa-broken", {"aaa_broken.py": "import a_module_that_is_not_there\n"}, {"aaa": "aaa_broken", "bbb": "no_such_module"}
    )
    registry = PluginRegistry.load({}, deployment, variables={})
    reports = {each.name: each for each in registry.report()}

    assert reports["aaa"].state is reports["bbb"].state is PluginState.QUARANTINED
    assert reports["aaa"].why == "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"
    assert reports["local"].configured
    with pytest.raises(Misconfigured, match="plugin aaa"):
        PluginRegistry.load({}, deployment, variables={}, strict=True)


def test_a_stranger_cannot_take_the_name_of_one_of_ours(install: Install, deployment: Deployment) -> None:
    install("aaa-shadow", FILES, {"local": "madang_stranger"})
    registry = PluginRegistry.load({}, deployment, variables={})

    assert "local" in [each.name for each in registry.declarations(ProviderKind.STORAGE)]
    assert "stranger" not in [each.name for each in registry.declarations(ProviderKind.SMS)]
    assert [each.why for each in registry.report() if each.state is PluginState.QUARANTINED] == [
        "a plugin named 'local' is loaded already"
    ]


def test_a_plugin_that_is_not_allowed_is_not_even_imported(install: Install, deployment: Deployment) -> None:
    install("madang-stranger", FILES, {"stranger": "madang_stranger"})
    registry = PluginRegistry.load({}, deployment, variables={}, allowed=["local", "locl"])
    reports = {each.name: each for each in registry.report()}

    assert "madang_stranger" not in sys.modules
    assert reports["stranger"].state is PluginState.NOT_ALLOWED
    assert reports["local"].configured
    assert reports["locl"].why == "no such plugin is installed (did you mean 'local'?)"


def test_without_entry_points_only_the_named_modules_are_loaded(install: Install, deployment: Deployment) -> None:
    install("madang-stranger", FILES, {"stranger": "madang_stranger"})
    registry = PluginRegistry.load({}, deployment, variables={}, entry_points=False, modules=["madang_stranger"])

    assert [(each.name, each.origin) for each in registry.report()] == [("stranger", "module madang_stranger")]


def test_our_own_plugins_come_in_by_the_entry_points_of_our_distribution() -> None:
    ours = {each.name: each.value for each in entry_points(group="madang") if each.dist and each.dist.name == "madang"}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]["madang"]
    modules = {path.stem for path in (ROOT / "plugins/madang/plugins/builtin").glob("[a-z]*.py")}
    assert ours == declared == {name: f"madang.plugins.builtin.{name}" for name in modules}


def test_loading_our_plugins_imports_no_sdk_no_framework_and_no_provider(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MADANG_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    looked = subprocess.run([sys.executable, "-c", LOOK], check=True, capture_output=True, cwd=tmp_path, env=environment)
    modules, not_configured = json.loads(looked.stdout)

    assert all(why.startswith("needs plugins.") for why in not_configured), "only keys that a deployment must give are missing"
    heavy = {
        "PIL",
        "httpx",
        "litestar",
        "redis",
        "arq",
        "asyncpg",
        "sqlalchemy",
        "pydantic",
        "standardwebhooks",
        "cryptography",
        "joserfc",
        "aiosmtplib",
        "smtplib",
        "phonenumbers",
        "solapi",
    }
    assert heavy.isdisjoint(modules)
    adapters = {each for each in modules if each.startswith("madang.adapters.") and each.count(".") > 2}
    assert {each.rpartition(".")[2] for each in adapters} <= {"settings", "capabilities"}
    assert not any(each.startswith(("madang.core", "madang.entrypoints")) for each in modules)
