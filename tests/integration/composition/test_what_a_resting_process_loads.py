"""What stays out of a process until it is asked for: at rest, the API and the relay hold none of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

_LIBRARIES = {"PIL", "jinja2", "phonenumbers", "reportlab", "valkey", "coredis", "httpx", "sqlalchemy", "alembic", "arq"}
_STAND = """
import asyncio, json, sys
from importlib import import_module
import madang.entrypoints.cli.processes
from madang.entrypoints.container import open_container
from madang.entrypoints.settings import Settings
async def open_it():
    async with open_container(Settings()) as container:
        if sys.argv[1] == "serve":
            from madang.entrypoints.http.app import create_app
            from madang.entrypoints.http.routes import written_document
            create_app(container)
            assert written_document.cache_info().currsize == 0
        print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
asyncio.run(open_it())
"""
_MEMORY = {"text_model": ["memory"], "image_model": ["memory"], "sms": ["memory"], "storage": ["local"]}


def _loaded(settings: Any, process: str) -> set[str]:
    variables = {
        "MADANG_DATABASE_URL": str(settings.database_url),
        "MADANG_REDIS_URL": str(settings.redis_url),
        "MADANG_DATA_DIR": str(settings.data_dir),
        "MADANG_SECRET_KEY": settings.secret_key.get_secret_value(),
        "MADANG_ROUTES": json.dumps(_MEMORY),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}, **variables}
    command = [sys.executable, "-c", _STAND, process]
    stood = subprocess.run(command, check=True, capture_output=True, text=True, cwd=settings.data_dir.parent, env=environment)
    return set(json.loads(stood.stdout.splitlines()[-1]))


def test_the_api_holds_no_library_that_few_requests_need(make_settings: Callable[..., Any]) -> None:
    assert _LIBRARIES & _loaded(make_settings(), "serve") == set()


def test_a_process_without_http_holds_no_web_framework(make_settings: Callable[..., Any]) -> None:
    assert (_LIBRARIES | {"litestar", "granian", "limits"}) & _loaded(make_settings(), "relay") == set()
