"""`madang users grant`: how a deployment gets its first administrator."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from deployment import Deployment
from madang.core.identity.roles import Role
from operator_shell import Run

KEY = "test-key-not-secret-test-key-not-secret"


async def test_an_operator_makes_the_first_administrator(
    deployment: Deployment, database_url: str, redis_url: str, tmp_path: Path, run: Run
) -> None:
    member = await deployment.member(email="Somebody@example.com".lower())
    servers: Mapping[str, str] = {
        "MADANG_DATABASE_URL": database_url,
        "MADANG_REDIS_URL": redis_url,
        "MADANG_SECRET_KEY": KEY,
    }
    done = await asyncio.to_thread(run, "users", "grant", "SOMEBODY@example.com", "admin", folder=tmp_path, **servers)
    assert (done.returncode, done.stdout) == (0, f"{member.id} is admin\n")
    assert await deployment.value("SELECT role FROM users WHERE id = $1", member.id) == Role.ADMIN
    [event] = await deployment.rows("SELECT action, actor_kind, subject FROM audit_events")
    assert tuple(event) == ("USER_ROLE_CHANGED", "operator", f"user:{member.id}")
    unknown = await asyncio.to_thread(run, "users", "grant", "nobody@example.com", "admin", folder=tmp_path, **servers)
    assert unknown.returncode == 1
    assert "no such user" in unknown.stderr
    assert "Traceback" not in unknown.stderr
