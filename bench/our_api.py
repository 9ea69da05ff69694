"""Ours: `madang serve`, the whole application with all that an answer passes through, on settings of the bench's own."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from bench.stack import Stack, free_port, process, python, wait_for_port

CONFIGURATION = """
environment = "development"
products = ["portraits"]
base_url = "http://127.0.0.1:8000"
port = {port}
database_url = {database_url}
redis_url = {redis_url}
log_level = "warning"
log_format = "json"

[routes]
text_model = ["sandbox"]
image_model = ["sandbox"]
payment = ["sandbox"]
sms = ["sandbox"]
storage = ["local"]

[limits]
default = "1000000000/minute"
"""
TOKENS = """
import json, sys
from datetime import UTC, datetime, timedelta
from madang.entrypoints.container import make_tokens
from madang.entrypoints.settings import Settings
tokens = make_tokens(Settings())
until = datetime.now(UTC) + timedelta(hours=1)
print(json.dumps([tokens.issue("portrait", one, expires_at=until) for one in json.load(sys.stdin)]))
"""


@contextmanager
def serving(stack: Stack) -> Iterator[tuple[int, Path]]:
    """The port of a running `madang serve`, and the folder of its configuration."""
    folder, port = stack.folder / "ours", free_port()
    folder.mkdir()
    addresses = {"database_url": json.dumps(stack.database_url), "redis_url": json.dumps(stack.redis_url)}
    (folder / "madang.toml").write_text(CONFIGURATION.format(port=port, **addresses), encoding="utf-8")
    log = stack.folder / "ours.log"
    command = python("-c", "from madang.entrypoints.cli.main import main; main()", "serve")
    with process(command, {}, log, folder=folder) as child:
        wait_for_port(port, child, log)
        yield port, folder


def job_tokens(folder: Path, ids: Sequence[UUID]) -> Sequence[str]:
    """What the buyers of these jobs hold, signed with the key of the deployment in `folder`."""
    asked = json.dumps([str(one) for one in ids])
    run = subprocess.run(python("-c", TOKENS), input=asked, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"no tokens: {run.stderr[-2000:]}")
    tokens: list[str] = json.loads(run.stdout)
    return tokens
