"""What a person at the terminal is told when something fails: one sentence, with what to do."""

from dataclasses import dataclass

from madang.entrypoints.logs import without_credentials

FAILED = 1
WRONG_INPUT = 2


@dataclass(frozen=True, slots=True)
class ToldFailure:
    sentence: str
    exit_code: int = FAILED


_ADVICE = {
    "UndefinedTableError": ("the database has no tables of ours: run `madang db upgrade`", FAILED),
    "UndefinedColumnError": ("the database is at another migration: run `madang db upgrade`", FAILED),
    "InvalidPasswordError": ("the database refuses the password in MADANG_DATABASE_URL", WRONG_INPUT),
    "InvalidCatalogNameError": ("the database named in MADANG_DATABASE_URL does not exist: create it", WRONG_INPUT),
    "InvalidAuthorizationSpecificationError": ("the database refuses the user in MADANG_DATABASE_URL", WRONG_INPUT),
    "CannotConnectNowError": ("the database is starting or stopping: try again in a moment", FAILED),
    "AuthenticationError": ("Redis refuses the password in MADANG_REDIS_URL", WRONG_INPUT),
}
"""By the name of the error's class, so that no driver is imported to say that it failed."""


def told(error: BaseException) -> ToldFailure:
    """The sentence for an error. What nobody expected names its type and how to see more."""
    for kind in type(error).__mro__:
        if kind.__name__ in _ADVICE:
            sentence, code = _ADVICE[kind.__name__]
            return ToldFailure(f"{sentence} ({_short(error)})", code)
    return _by_family(error)


def _by_family(error: BaseException) -> ToldFailure:
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ValidationError" in names and hasattr(error, "errors"):
        return ToldFailure(_of_settings(error), WRONG_INPUT)
    if names & {"Misconfigured", "SettingsError", "TOMLDecodeError"}:
        return ToldFailure(f"{_short(error)} — look into madang.toml and the MADANG_… variables", WRONG_INPUT)
    if "Unavailable" in names and getattr(error, "provider", None) == "postgresql":
        return ToldFailure(f"{_short(error)} — does it run, and is MADANG_DATABASE_URL right? `madang doctor` looks closer")
    if names & {"EmbeddedServerError", "CannotStart", "ChildFailed", "DomainError", "ProviderError", "CliError"}:
        return ToldFailure(_short(error))
    if names & {"PermissionError", "FileNotFoundError", "FileExistsError", "IsADirectoryError", "NotADirectoryError"}:
        return ToldFailure(_short(error))
    if names & {"ConnectionError", "ConnectionRefusedError", "gaierror", "OSError", "TimeoutError"}:
        return ToldFailure(
            f"{_short(error) or type(error).__name__} — is it running and reachable? `madang doctor` looks closer"
        )
    return ToldFailure(f"unexpected {type(error).__name__}: {_short(error)} (MADANG_DEBUG=1 shows where)")


def _of_settings(error: BaseException) -> str:
    problems = error.errors() if callable(getattr(error, "errors", None)) else []  # type: ignore[attr-defined]
    told_problems = [_of_setting(problem) for problem in problems]
    return "the settings are wrong: " + "; ".join(told_problems)


def _of_setting(problem: dict[str, object]) -> str:
    location = problem.get("loc")
    parts = [str(part) for part in location] if isinstance(location, tuple) else []
    variable = "MADANG_" + "__".join(parts).upper()
    return f"{'.'.join(parts) or 'settings'} ({variable}): {problem.get('msg')}"


def _short(error: BaseException) -> str:
    return without_credentials(str(error)).strip()
