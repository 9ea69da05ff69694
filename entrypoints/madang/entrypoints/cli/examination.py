"""What the doctor looks at, from the outside in: each look answers findings and never raises."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from madang.entrypoints.cli.deployment import CliError, require_database, require_redis
from madang.entrypoints.cli.diagnosis import Finding, green, red, yellow
from madang.entrypoints.cli.failures import told

if TYPE_CHECKING:
    from madang.entrypoints.container import Container
    from madang.entrypoints.settings import Settings

_SECONDS = 10.0
_DEAD_SHOWN = 1000
_MEND = "mend what it names in madang.toml or in the MADANG_… variables"
_STAND_INS = frozenset({"sandbox", "memory"})
_UP = "run `madang up`, or name a server of your own with {variable}"


async def examine(settings: "Settings") -> Sequence[Finding]:
    """Everything about this deployment. What cannot be looked at because something before it is red is left out."""
    findings = [_folder(settings), _key(settings), *_stand_ins(settings)]
    database = await _database(settings)
    cache = await _redis(settings)
    findings += [*database, cache]
    if any(finding.health == "red" for finding in (*database, cache)):
        return [*findings, *_routes_without_connections(settings)]
    connected = settings.model_copy(update={"database_url": require_database(settings), "redis_url": require_redis(settings)})
    return [*findings, *await _inside(connected)]


def _folder(settings: "Settings") -> Finding:
    folder = Path(settings.data_dir).absolute()
    if not folder.exists():
        return yellow("data folder", f"{folder} is not there yet", "`madang up` makes it")
    if not os.access(folder, os.W_OK | os.X_OK):
        return red("data folder", f"{folder} cannot be written to", "give this user the folder, or set MADANG_DATA_DIR")
    return green("data folder", str(folder))


def _key(settings: "Settings") -> Finding:
    if settings.secret_key is not None:
        return green("secret key", "set by configuration")
    kept = Path(settings.data_dir) / "secret.key"
    if settings.environment == "production":
        return yellow("secret key", f"kept in {kept}", "set MADANG_SECRET_KEY: every host of a deployment needs the same one")
    return green("secret key", f"kept in {kept}")


async def _database(settings: "Settings") -> Sequence[Finding]:
    import asyncpg

    try:
        url = require_database(settings)
        connection = await asyncpg.connect(_plain(url), timeout=_SECONDS)
    except CliError as error:
        return [red("database", str(error), _UP.format(variable="MADANG_DATABASE_URL"))]
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is a finding
        return [red("database", told(error).sentence, "check MADANG_DATABASE_URL, and that the server runs")]
    try:
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return [green("database", f"PostgreSQL {version}"), await asyncio.to_thread(_migrations, url)]


def _plain(url: str) -> str:
    """asyncpg's own form of an address that may name SQLAlchemy's driver."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def _migrations(url: str) -> Finding:
    from madang.adapters.postgres import migrations

    at, wanted = migrations.current(url, patience=_SECONDS), migrations.latest()
    if at == wanted:
        return green("migrations", f"at {at}")
    return red("migrations", f"at {at or 'nothing'}, this version needs {wanted}", "run `madang db upgrade`")


async def _redis(settings: "Settings") -> Finding:
    import redis.asyncio

    try:
        client: redis.asyncio.Redis = redis.asyncio.from_url(require_redis(settings), socket_timeout=_SECONDS)  # type: ignore[no-untyped-call]
    except CliError as error:
        return red("redis", str(error), _UP.format(variable="MADANG_REDIS_URL"))
    try:
        information: dict[str, Any] = await client.info("server")
    except Exception as error:  # noqa: BLE001 - whatever the client raises is a finding
        return red("redis", told(error).sentence, "check MADANG_REDIS_URL, and that the server runs")
    finally:
        await client.aclose()
    name = "Valkey" if "valkey_version" in information else "Redis"
    return green("redis", f"{name} {information.get('valkey_version') or information.get('redis_version')}")


def _stand_ins(settings: "Settings") -> Sequence[Finding]:
    """Whoever sells for real must not be paid by one."""
    used = [kind for kind, names in _routes(settings).items() if _STAND_INS & set(names)]
    if settings.environment != "production" or not used:
        return []
    what = f"{', '.join(used)}: no money moves, nothing is sent, pictures are made without AI"
    return [yellow("stand-ins in production", what, "name real providers under [routes] in place of sandbox and memory")]


def _routes_without_connections(settings: "Settings") -> Sequence[Finding]:
    """What can be told of the routes while there is nothing to open."""
    from madang.entrypoints.container import load_plugins
    from madang.entrypoints.providers.routing import dead_ends

    missing = [kind for kind, names in _routes(settings).items() if not names]
    nowhere = f"none for {', '.join(missing)}"
    unnamed = [yellow("routes", nowhere, "name providers under [routes] where they are needed")] if missing else []
    try:
        ends = dead_ends(load_plugins(settings), settings.routes)
    except Exception as error:  # noqa: BLE001 - plugins that cannot be loaded are a finding
        return [
            *unnamed,
            red("plugins", told(error).sentence, "mend what it names in madang.toml or in the MADANG_… variables"),
        ]
    return [*unnamed, *(red(f"{kind}: {name}", why, f"`madang plugins check {name}`") for kind, name, why in ends)]


def _routes(settings: "Settings") -> dict[str, Sequence[str]]:
    return {str(kind): tuple(names) for kind, names in settings.routes.items()}


async def _inside(settings: "Settings") -> Sequence[Finding]:
    """What only the composed deployment can say."""
    from madang.entrypoints.container import open_container

    try:
        async with open_container(settings) as container:
            looks: Sequence[tuple[str, Callable[[Container], Awaitable[Sequence[Finding]]]]] = (
                ("limits", _limits),
                ("providers", _providers),
                ("storage", _storage),
                ("processes", _processes),
                ("dead messages", _dead_messages),
                ("keys", _keys),
                ("alerts", _alerts),
                ("invariants", _invariants),
            )
            found = [await _safely(what, look, container) for what, look in looks]
    except Exception as error:  # noqa: BLE001 - a deployment that cannot be composed is a finding
        return [red("configuration", told(error).sentence, _MEND)]
    return [finding for findings in found for finding in findings]


async def _safely(
    what: str, look: "Callable[[Container], Awaitable[Sequence[Finding]]]", container: "Container"
) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(60):
            return await look(container)
    except Exception as error:  # noqa: BLE001 - one look that fails must not hide the others
        return [red(what, f"could not be looked at: {told(error).sentence}", "set MADANG_DEBUG=1 and look at the logs")]


async def _limits(container: "Container") -> Sequence[Finding]:
    """Wrong ones stop the API at its start; the other processes count nothing and would not tell."""
    from madang.ports.errors import Misconfigured

    try:
        _ = container.limiter
    except Misconfigured as error:
        return [red("limits", told(error).sentence, _MEND)]
    return []


async def _providers(container: "Container") -> Sequence[Finding]:
    from madang.entrypoints.providers.checks import problem_of
    from madang.ports.provider import ProviderKind

    findings = []
    for kind, names in _routes(container.settings).items():
        for name in names:
            problem = await problem_of(lambda kind=kind, name=name: container.registry.build(ProviderKind(kind), name))  # type: ignore[misc]
            what = f"{kind}: {name}"
            findings.append(red(what, problem, f"`madang plugins check {name}`") if problem else green(what, "works"))
    return findings


async def _storage(container: "Container") -> Sequence[Finding]:
    """Writes a small object, and removes it."""
    from madang.ports.provider import ProviderKind

    findings = []
    for name in _routes(container.settings).get("storage", ()):
        storage: Any = container.registry.build(ProviderKind.STORAGE, name)
        findings.append(await _written(storage, name, f"doctor/{uuid4()}"))
    return findings


async def _written(storage: Any, name: str, key: str) -> Finding:
    from madang.ports.storage import PutObject

    what = f"storage: {name} writable"
    try:
        await storage.put(PutObject(key=key, body=b"madang doctor", content_type="text/plain"))
        await storage.delete_many([key])
    except Exception as error:  # noqa: BLE001 - whatever the storage raises is a finding
        return red(what, told(error).sentence, "give it the right to write and delete, and room to do so")
    return green(what, "written and removed")


async def _processes(container: "Container") -> Sequence[Finding]:
    """A worker and a relay that beat."""
    alive = Counter(beat.kind for beat in await container.heartbeats.alive())
    return [
        green(kind, f"{alive[kind]} running")
        if alive[kind]
        else red(kind, "none runs: nothing is done in the background", f"run `madang up`, or `madang {kind}` beside the API")
        for kind in ("worker", "relay")
    ]


async def _dead_messages(container: "Container") -> Sequence[Finding]:
    from madang.core.kernel.messages import MessageState

    dead = await container.outbox.listing(state=MessageState.DEAD, topic=None, limit=_DEAD_SHOWN)
    if not dead:
        return [green("dead messages", "none")]
    topics = ", ".join(f"{count} of {topic}" for topic, count in Counter(row.topic for row in dead).most_common())
    advice = "`madang jobs list --state dead` says why; `madang redrive --dead` runs them again"
    return [red("dead messages", topics, advice, *(str(row.id) for row in dead[:20]))]


async def _keys(container: "Container") -> Sequence[Finding]:
    """What older master keys still seal, and what a key seals that is in no setting."""
    uses = await container.key_rotation.uses()
    lost = [use for use in uses if not use.known]
    older = sum(use.total for use in uses if use.known and not use.current)
    findings = [
        red(
            "keys",
            f"{use.total} values are sealed under the key {use.key_id}, which is not set: nobody can read them",
            "list that key in MADANG_OLDER_SECRET_KEYS, then `madang keys rotate`",
        )
        for use in lost
    ]
    if older:
        findings.append(yellow("keys", f"{older} values are sealed under an older key", "run `madang keys rotate`"))
    return findings or [green("keys", "everything is sealed under the current one")]


async def _alerts(container: "Container") -> Sequence[Finding]:
    """Of its rules those that fire; that none fires is one finding."""
    firing = [each for each in await container.alerts.standing() if each.episode is not None]
    if not firing:
        return [green("alerts", "none fires")]
    return [
        yellow(
            f"alert: {each.rule.name}",
            f"fires since {each.episode.raised_at.astimezone():%m-%d %H:%M}, above {each.rule.threshold:g} {each.rule.unit}",
            "`GET /admin/alerts` has the values, `/metrics` and the logs the reasons",
        )
        for each in firing
        if each.episode is not None
    ]


async def _invariants(container: "Container") -> Sequence[Finding]:
    findings = []
    for invariant in container.invariants:
        violations = await invariant.violations(limit=100)
        what = f"invariant: {invariant.name}"
        if violations:
            subjects = [violation.subject for violation in violations]
            detail = f"broken by {len(violations)}{'+' if len(violations) == 100 else ''}: {', '.join(subjects[:5])}"
            findings.append(red(what, detail, f"{invariant.explanation} `madang redrive` mends what can be mended.", *subjects))
        else:
            findings.append(green(what, "holds"))
    return findings
