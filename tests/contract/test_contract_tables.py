"""What adapters make of their providers' words, said a second time: a row that is lost or changed is noticed here."""

import importlib
import re
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

TABLES = Path(__file__).parent / "tables"


def plain(value: Any) -> Any:
    """As TOML would say it: words for states and errors, sets in their order."""
    match value:
        case Enum():
            return value.value
        case type():
            return value.__name__
        case re.Pattern():
            return value.pattern
        case frozenset():
            return sorted(map(plain, value), key=str)
        case tuple():
            return list(map(plain, value))
        case Mapping():
            return {str(plain(key)): plain(each) for key, each in value.items()}
    return value


@pytest.mark.parametrize("adapter", sorted(path.stem for path in TABLES.glob("*.toml")))
def test_an_adapters_tables_say_what_its_provider_documents(adapter: str) -> None:
    for module, tables in tomllib.loads((TABLES / f"{adapter}.toml").read_text(encoding="utf-8")).items():
        loaded = importlib.import_module(f"madang.adapters.{adapter}.{module}")
        for name, rows in tables.items():
            assert plain(getattr(loaded, name)) == rows, f"{module}.{name}"
