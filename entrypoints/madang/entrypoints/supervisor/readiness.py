"""Whether the API says that it is ready for traffic."""

import asyncio
import http.client
import json
from dataclasses import dataclass
from typing import Any

from madang.entrypoints.supervisor.addresses import connectable


@dataclass(frozen=True, slots=True)
class Readiness:
    ready: bool
    detail: Any = None


async def ask(host: str, port: int) -> Readiness:
    """One question to `/health/ready`; no answer is not ready."""
    return await asyncio.to_thread(_ask, host, port)


def _ask(host: str, port: int) -> Readiness:
    connection = http.client.HTTPConnection(connectable(host), port, timeout=5)
    try:
        connection.request("GET", "/health/ready", headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read()
        return Readiness(response.status == 200, _parsed(body))
    except OSError as error:
        return Readiness(False, str(error))
    except http.client.HTTPException as error:
        return Readiness(False, f"not HTTP: {error!r}")
    finally:
        connection.close()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")[:500]
