"""What every provider must do, whatever its port: subclass the suite of your port (`SmsConformance` …), not this one.

    class TestAcme(SmsConformance):
        plugin = "madang_acmesms"
        name = "acmesms"

        def remote(self) -> FakeAcme:
            return FakeAcme()

        def settings(self, url: str) -> Mapping[str, Any]:
            return {"base_url": url, "api_key": "test-key-not-secret"}

Each test has a remote side and a provider of its own, built from the settings as a deployment builds it. A test may be replaced
only with a reason: `@deviation(reason=…)` or `@pytest.mark.xfail(reason=…)`.
"""

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

import pytest

from madang.plugins.conformance.leaks import (
    listen_to_everything,
    parts_of,
    texts_of_error,
    texts_of_metrics,
    texts_of_object,
    texts_of_record,
)
from madang.plugins.conformance.remote import Arrived, Elsewhere, Fault, RemoteService, Reply, closed_port, serving
from madang.plugins.conformance.repairs import KIT, must, unexplained
from madang.plugins.conformance.stage import (
    ANSWERED,
    EFFECT_ERRORS,
    ENDLESS,
    NOTHING_DONE,
    READ_ERRORS,
    Errors,
    Stage,
    outcome,
    raised,
)
from madang.plugins.settings import keys_of
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.provider import ProviderKind

try:
    import pytest_asyncio
except ImportError as error:
    raise ImportError('the conformance kit needs pytest-asyncio: pip install "madang[conformance]"') from error

Read: TypeAlias = Callable[[], Awaitable[object]]

BARE: Final[Mapping[int, Errors]] = {
    **dict.fromkeys((302, 399, 401, 403, 404, 405), (Misconfigured,)),
    408: (Unavailable, OutcomeUnknown),
    413: (Rejected,),
    429: (RateLimited,),
}
"""What a status means by itself."""
LIMITS: Final = (0.2, 0.8, 3.2, 12.8)
"""Time limits, in seconds, of a call that meets silence; the longer ones for a machine that was too busy to send it before."""
STRANDED: Final = 25.0
"""After so many seconds a call that was given one of `LIMITS` has no time limit."""
AT_ONCE: Final = 8
GUARD: Final = "test_no_test_of_the_suite_is_replaced_without_a_reason"


class ProviderConformance:
    """The part that all suites share. A suite gives `kind`, `operation`, `act` and `reads`; an author gives the rest."""

    plugin: ClassVar[str]
    """The module that declares the provider."""
    name: ClassVar[str]
    kind: ClassVar[ProviderKind]
    operation: ClassVar[str]
    """The port's method that `act` calls."""
    errors: ClassVar[Mapping[Fault, Errors]] = EFFECT_ERRORS
    effects: ClassVar[int] = 1
    """How many requests for an effect one `act` makes: none where it only asks."""
    bare: ClassVar[Mapping[int, Errors]] = BARE
    unmet: ClassVar[Mapping[Fault, str]] = {}
    """Faults that this provider cannot meet, each with the reason."""
    private: ClassVar[tuple[str, ...]] = ()
    """What the requests of `act` hold of a person: no error may repeat it."""
    retry_after: ClassVar[float | None] = 7.0
    """What `RateLimited.retry_after` must be when the remote side answers `RATE_LIMITED`."""
    request_id: ClassVar[str] = ""
    """The header in which the provider gives its own id of a call."""

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if GUARD in vars(cls) and not cls.__module__.startswith(KIT):
            raise TypeError(f"{cls.__name__} replaces {GUARD}, which nobody may")
        _mark_coroutines(cls)

    def remote(self) -> RemoteService | None:
        """A new stand-in for the provider; None where the provider reaches nothing outside of the process."""
        raise NotImplementedError(f"{type(self).__name__} has no remote(): answer a RemoteService that stands in, or None")

    def settings(self, url: str) -> Mapping[str, Any]:
        """The plugin's settings as in `madang.toml`, all that the declared capabilities need, for a provider at `url`."""
        raise NotImplementedError(f"{type(self).__name__} has no settings(url): answer the plugin's settings")

    def wrong(self, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Mapping[str, Any]:
        """The settings with keys that the provider does not know."""
        return {**settings, **{name: f"{secret}x" for name, secret in secrets.items()}}

    async def inject(self, stage: Stage, fault: Fault, operation: str) -> None:
        """The next call of `operation` meets `fault`. One without a remote side overrides this, or names it in `unmet`."""
        if stage.service is None:
            pytest.skip("nothing outside can go wrong")
        acting = operation == self.operation and self.effects > 0
        stage.service.plan(fault, only=stage.service.acts if acting else None)

    async def settled(self, stage: Stage, fault: Fault) -> None:
        """Until what met this fault is done, unless it is one that leaves nothing done: a busy machine may read a request after
        its caller has given it up."""
        service = stage.service
        if service is not None and fault not in NOTHING_DONE:
            assert await asyncio.to_thread(service.wait_until, lambda: service.done > 0), "the fault was never met"

    async def met(self, stage: Stage, fault: Fault, operation: str, call: Callable[[float], Awaitable[object]]) -> PortError:
        """The error of a call, made with a time limit, that meets the injected fault: where it cannot even be sent within the
        limit, it is made again with a longer one."""
        due = self.errors[fault]
        if fault not in ENDLESS:
            return await raised(self.name, operation, call(20.0), due)
        for limit in LIMITS:
            async with asyncio.timeout(STRANDED):
                error = await raised(self.name, operation, call(limit), (*due, Unavailable))
            if isinstance(error, due) and (not isinstance(error, Unavailable) or await self._was_met(stage)):
                break
        assert isinstance(error, due), f"{error!r} within {limit:g} s"
        return error

    async def act(self, provider: Any, key: str, timeout: float = 20.0) -> Any:
        """The call that this port is for, with an idempotency key."""
        raise NotImplementedError

    async def reads(self, provider: Any) -> Mapping[str, Read]:
        """By name, the questions that this provider can answer; what they ask about is there."""
        return {"check": provider.check}

    def wire(self, request: Arrived) -> str:
        """What a request says, readable: override it where the protocol packs its words otherwise than JSON or a form."""
        return words_of(request)

    @pytest_asyncio.fixture(loop_scope="function")
    async def stage(self, tmp_path: Path) -> AsyncIterator[Stage]:
        with ExitStack() as stack:
            service = self.remote()
            if service is not None:
                stack.enter_context(serving(service))
            stage = Stage(self.kind, self.plugin, self.name, self.settings, service, tmp_path)
            yield stage
            await stage.close()

    @pytest.fixture
    def provider(self, stage: Stage) -> Any:
        return stage.build()

    @must("Give the reason: @deviation(reason=…) or @pytest.mark.xfail(reason=…) on the test that replaces it.")
    def test_no_test_of_the_suite_is_replaced_without_a_reason(self) -> None:
        assert not list(unexplained(type(self)))
        assert all(reason.strip() for reason in self.unmet.values())

    @must("Use one name in the declaration and in the provider, and one capabilities value in both.")
    def test_the_provider_is_what_its_plugin_declares(self, stage: Stage, provider: Any) -> None:
        assert provider.name == self.name
        declared = stage.declaration().capabilities
        told = getattr(provider, "capabilities", declared)
        assert told == declared, "with all of settings() given, the provider can do what its plugin declares"

    @must("check() makes one call that needs the key and changes nothing; answer ProviderHealth(reachable=True).")
    async def test_a_check_reaches_the_provider_and_changes_nothing(self, stage: Stage, provider: Any) -> None:
        health = await provider.check()
        assert health.reachable
        if stage.service is not None:
            assert stage.service.arrived, "the check asked nothing of the provider"
            assert not stage.service.acting, "the check asked for an effect (see RemoteService.acts)"

    @must("Answer the provider's refusal of the key (401, 403 or its own code) with Misconfigured, in check() and elsewhere.")
    async def test_a_wrong_key_is_misconfigured(self, stage: Stage, provider: Any) -> None:
        secrets = stage.secrets()
        if not secrets or stage.service is None:
            pytest.skip("it takes no key")
        try:
            stranger = stage.build(self.wrong(stage.settings(), secrets))
        except Misconfigured:
            return
        await raised(self.name, "check", stranger.check(), (Misconfigured,))
        await raised(self.name, self.operation, self.act(stranger, "key-1"), (Misconfigured,))

    @must("Nothing was sent where nobody listens: turn the transport's connection errors into Unavailable.")
    async def test_a_refused_connection_is_unavailable(self, stage: Stage, provider: Any) -> None:
        if stage.service is None:
            pytest.skip("there is nothing outside to connect to")
        away = stage.build(stage.settings(f"http://127.0.0.1:{closed_port()}"))
        await raised(self.name, self.operation, self.act(away, "key-1"), (Unavailable,))
        checked = await outcome(away.check())
        assert isinstance(checked, Unavailable) or not getattr(checked, "reachable", True)

    @must("Map this answer by the table of docs/plugins.md, and retry nothing: the caller decides over that.")
    @pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in ENDLESS])
    async def test_each_failure_of_the_call_has_its_error(self, stage: Stage, provider: Any, fault: Fault) -> None:
        self._needs(fault)
        await self.inject(stage, fault, self.operation)
        error = await raised(self.name, self.operation, self.act(provider, "key-1"), self.errors[fault])
        if fault is Fault.RATE_LIMITED and stage.service is not None:
            assert getattr(error, "retry_after", None) == self.retry_after
        self._has_the_providers_code(stage, fault, error)
        if stage.service is not None and (stage.service.acting or fault is not Fault.WRONG_KEY):
            assert len(stage.service.acting) == self.effects, "one call is one request, also when it fails"

    @must("Bound the whole call by the request's timeout (asyncio.timeout around it): a limit on each read never ends this.")
    @pytest.mark.parametrize("fault", [fault for fault in Fault if fault in ENDLESS])
    async def test_the_time_limit_ends_a_call_that_nothing_else_ends(self, stage: Stage, provider: Any, fault: Fault) -> None:
        self._needs(fault)
        service = stage.service
        await self.inject(stage, fault, self.operation)
        await self.met(stage, fault, self.operation, lambda limit: self.act(provider, "key-1", limit))
        if service is not None:
            assert len(service.acting) == self.effects, "one call is one request, also when it fails"

    @must(
        "A question may be asked again: raise Unavailable for a lost or unreadable answer and for a 5xx, never OutcomeUnknown."
    )
    @pytest.mark.parametrize("fault", READ_ERRORS)
    async def test_each_failure_of_a_question_has_its_error(self, stage: Stage, provider: Any, fault: Fault) -> None:
        self._needs(fault)
        for name, ask in (await self.reads(provider)).items():
            if (name, fault) == ("check", Fault.GARBAGE):
                continue  # a check need not read what it is answered
            await self.inject(stage, fault, name)
            self._has_the_providers_code(stage, fault, await raised(self.name, name, ask(), READ_ERRORS[fault]))

    @must("Keep keys in Secret, reveal() them only where they are sent, raise errors `from None`, and put none in a metric.")
    async def test_the_key_shows_nowhere(self, stage: Stage, provider: Any, caplog: pytest.LogCaptureFixture) -> None:
        secrets = parts_of(stage.secrets().values())
        if not secrets:
            pytest.skip("it takes no key")
        listen_to_everything(caplog)
        told = [text for error in await self._provoked(stage, provider) for text in texts_of_error(error)]
        assert not [text for text in told if any(each in text for each in self.private)], "an error tells of a person"
        seen = list(told)
        await self.act(provider, "key-2")
        for read in (await self.reads(provider)).values():
            await read()
        seen += [text for record in caplog.records for text in texts_of_record(record)]
        seen += texts_of_metrics()
        packages = ("madang", type(provider).__module__.partition(".")[0])
        for root in (provider, stage.declaration(), stage.configured()):
            seen += texts_of_object(root, packages)
        leaking = [text[:500] for text in seen if any(secret in text for secret in secrets)]
        assert not leaking, f"the key shows in {len(leaking)} places, first in: {leaking[0]}"

    @must(
        "Follow no redirect: the key would go along to wherever it leads. Answer it with Misconfigured or as any other answer."
    )
    async def test_no_redirect_takes_the_key_elsewhere(self, stage: Stage, provider: Any) -> None:
        service = self._http(stage)
        with serving(Elsewhere()) as elsewhere:
            service.next.append(Reply(307, "", {"location": f"{elsewhere.url}/messages"}))
            result = await outcome(self.act(provider, "key-1"))
            if service.next:
                pytest.skip("its stand-in speaks another protocol")
            assert isinstance(result, PortError), f"it must fail, and was {result!r}"
            assert not elsewhere.arrived, "a redirect was followed"

    @must("Bound what you read of an answer, and leave its connection: an endless one must not fill the memory.")
    async def test_an_endless_answer_is_given_up(self, stage: Stage, provider: Any) -> None:
        service = self._http(stage)
        service.next.append(Reply(200, itertools.repeat(b" " * 65_536), {"content-type": "application/json"}))
        async with asyncio.timeout(STRANDED):
            result = await outcome(self.act(provider, "key-1"))
        if service.next:
            pytest.skip("its stand-in speaks another protocol")
        assert isinstance(result, self.errors[Fault.GARBAGE]), f"it was {result!r}"
        await self._gave_back(service)

    @must("Judge an answer without the provider's words by its status: a gateway or a wrong base_url gives it.")
    @pytest.mark.parametrize("status", [*BARE, 500, 502, 503, 504, 599])
    async def test_a_bare_status_has_its_error(self, stage: Stage, provider: Any, status: int) -> None:
        service = self._http(stage)
        known = {self.request_id: "req1"} if self.request_id else {}
        service.next.append(Reply(status, b"<html>\xff", {"content-type": "text/html", **known}))
        result = await outcome(self.act(provider, "key-1"))
        if service.next:
            pytest.skip("its stand-in speaks another protocol")
        failed = {each for fault in (Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.ANSWER_LOST) for each in self.errors[fault]}
        assert isinstance(result, self.bare.get(status, tuple(failed))), f"it was {result!r}"
        assert str(status) in (result.code or ""), f"its code is {result.code!r}, and {status} is all that is known"
        assert result.request_id == known.get(self.request_id), "give the error the provider's own id of the call"

    @must("Catch RecursionError beside ValueError where an answer is read: it is one that cannot be read.")
    async def test_an_answer_nested_beyond_measure_cannot_be_read(self, stage: Stage, provider: Any) -> None:
        service = self._http(stage)
        service.next.append(Reply(200, "[" * 100_000, {"content-type": "application/json"}))
        result = await outcome(self.act(provider, "key-1"))
        if service.next:
            pytest.skip("its stand-in speaks another protocol")
        assert isinstance(result, self.errors[Fault.GARBAGE]), f"it was {result!r}"

    @must("Use a proxy that the settings name, never one of the process's environment (httpx: trust_env=False).")
    async def test_the_environments_proxy_is_not_used(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self._http(stage)
        nowhere = f"http://127.0.0.1:{closed_port()}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, nowhere)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        await self.act(stage.build(), "key-1")

    @must("Send everything through the proxy that the settings name; it alone knows the way out.")
    async def test_a_proxy_of_the_settings_is_used(self, stage: Stage, provider: Any) -> None:
        if stage.service is None or "proxy" not in keys_of(type(stage.configured())):
            pytest.skip("its settings name no proxy")
        behind = stage.build({**stage.settings(), "proxy": f"http://127.0.0.1:{closed_port()}"})
        await raised(self.name, self.operation, self.act(behind, "key-1"), (Unavailable,))
        with serving(Elsewhere()) as proxy:
            proxy.next.append(Reply(502))
            refused = stage.build({**stage.settings("https://127.0.0.1:1"), "proxy": proxy.url})
            await raised(self.name, self.operation, self.act(refused, "key-1"), (Unavailable,))
            assert [each.method for each in proxy.arrived] == ["CONNECT"]
        assert not stage.service.arrived, "it went past the proxy"

    @must("close() gives back connections, and may come before the first call, after the last, and twice.")
    async def test_it_closes_unused_used_and_twice(self, stage: Stage, provider: Any) -> None:
        used = stage.build()
        await self.act(used, "key-1")
        for each in (provider, used):
            await each.close()
            await each.close()
        if stage.service is not None:
            await self._gave_back(stage.service)

    @must("One instance serves many tasks: keep nothing of a request in the provider.")
    async def test_many_tasks_use_it_at_once(self, stage: Stage, provider: Any) -> None:
        results = await asyncio.gather(*(self.act(provider, f"key-{number}") for number in range(AT_ONCE)))
        assert len(results) == AT_ONCE
        if stage.service is not None:
            assert len(stage.service.acting) == AT_ONCE * self.effects

    async def _provoked(self, stage: Stage, provider: Any) -> list[BaseException]:
        """The errors of a bad day, one of each kind."""
        found: list[BaseException] = []
        for fault in Fault:
            if stage.service is None or fault in ENDLESS or fault in self.unmet:
                continue
            await self.inject(stage, fault, self.operation)
            found.append(await raised(self.name, self.operation, self.act(provider, "key-1"), self.errors[fault]))
        if stage.service is not None:
            away = stage.build(stage.settings(f"http://127.0.0.1:{closed_port()}"))
            found.append(await raised(self.name, self.operation, self.act(away, "key-1"), (Unavailable,)))
        return found

    async def _was_met(self, stage: Stage) -> bool:
        service = stage.service
        return service is None or await asyncio.to_thread(service.wait_until, lambda: service.done > 0, 10.0)

    async def _gave_back(self, service: RemoteService) -> None:
        assert await asyncio.to_thread(service.wait_until, lambda: not service.connections), "a connection is still open"

    def _http(self, stage: Stage) -> RemoteService:
        if stage.service is None:
            pytest.skip("there is nothing outside to speak HTTP with")
        return stage.service

    def _has_the_providers_code(self, stage: Stage, fault: Fault, error: PortError) -> None:
        told = stage.service is None or fault not in ANSWERED or error.code
        assert told, "give the error the provider's own code, or the status: an operator asks the provider by it"

    def _needs(self, fault: Fault) -> None:
        if fault in self.unmet:
            pytest.skip(self.unmet[fault])


def _mark_coroutines(suite: type) -> None:
    """So that a project needs no `asyncio_mode`."""
    for name, test in vars(suite).items():
        if name.startswith("test_") and inspect.iscoroutinefunction(test):
            pytest.mark.asyncio(loop_scope="function")(test)


_mark_coroutines(ProviderConformance)


def words_of(request: Arrived) -> str:
    """The address, the words of a body of JSON or of a form, and any other body as text, a line each."""
    return "\n".join([request.path, *request.query.values(), *_words(request)])


def _words(request: Arrived) -> list[str]:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return list(request.form.values())
    try:
        return _leaves(request.json)
    except ValueError:
        return [request.body.decode(errors="replace")]


def _leaves(document: object) -> list[str]:
    if isinstance(document, dict):
        return [leaf for value in document.values() for leaf in _leaves(value)]
    if isinstance(document, list):
        return [leaf for value in document for leaf in _leaves(value)]
    return [str(document)]
