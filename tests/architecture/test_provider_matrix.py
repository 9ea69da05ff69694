"""The matrix of who can do what is the one that the code declares."""

from dataclasses import replace
from importlib.metadata import entry_points

from madang.plugins.matrix import COMMAND, document, first_party
from madang.ports.chat import ChatCapabilities
from madang.ports.provider import ProviderKind
from source_tree import ROOT


def written() -> str:
    return (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def test_the_matrix_in_the_documents_is_made_from_the_capabilities_as_they_are() -> None:
    assert written() == document(first_party()), f"a capability or a provider changed: run `{COMMAND}` and commit it"


def test_every_provider_of_ours_that_an_entry_point_leads_to_is_in_it() -> None:
    installed = {point.name for point in entry_points(group="madang") if point.value.startswith("madang.plugins.builtin.")}
    assert installed <= {each.name for each in first_party()}


def test_a_capability_that_changes_changes_the_matrix() -> None:
    declared = first_party()
    changed = [
        replace(each, capabilities=ChatCapabilities(max_length=7)) if each.kind is ProviderKind.CHAT else each
        for each in declared
    ]
    assert "| `max_length` | 7 | 7 | 7 |" in document(changed)
    assert document(changed) != document(declared)
