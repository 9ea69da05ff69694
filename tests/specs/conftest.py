"""What our adapters send, against mocks of the providers' own descriptions: `nox -s specs`, never a part of the other tests.

`MADANG_SPECS` names the folder of descriptions (`ready/<name>.json`, repaired so that every schema can be compiled), and
`MADANG_PRISM` the program of Prism (npm: @stoplight/prism-cli). Without the first nothing here is collected, but what
`MADANG_LOCALSTRIPE` is for (`nox -s localstripe`).
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from madang.plugins.conformance.remote import serving
from madang.ports.context import ProviderContext
from madang.ports.secret import Secret
from specs.prism import Recorder, mocking

Mend: TypeAlias = Callable[[dict[str, Any]], None]

collect_ignore_glob = [] if os.environ.get("MADANG_SPECS") or os.environ.get("MADANG_LOCALSTRIPE") else ["test_*.py"]


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    return ProviderContext("https://madang.example", tmp_path, Secret("test-key-not-secret"), "test")


@pytest.fixture(scope="module")
def mocked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Starts Prism on a description: `with mocked("resend", "/prefix") as recorder`. `mend` changes a description that
    contradicts itself, before Prism reads it."""
    if not os.environ.get("MADANG_SPECS"):
        pytest.skip("MADANG_SPECS names no folder of official descriptions")
    folder = Path(os.environ["MADANG_SPECS"])
    prism = os.environ.get("MADANG_PRISM") or shutil.which("prism")

    @contextmanager
    def start(name: str, prefix: str = "", mend: Mend | None = None) -> Iterator[Recorder]:
        description = folder / "ready" / f"{name}.json"
        assert description.is_file(), f"MADANG_SPECS has no {description.relative_to(folder)}"
        assert prism, "MADANG_PRISM names no program, and there is no prism on the path"
        if mend is not None:
            document = json.loads(description.read_text(encoding="utf-8"))
            mend(document)
            description = tmp_path_factory.mktemp("mended") / f"{name}.json"
            description.write_text(json.dumps(document), encoding="utf-8")
        with mocking(prism, description) as port, serving(Recorder(port, prefix)) as recorder:
            yield recorder

    return start
