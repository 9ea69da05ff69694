"""What a declaration must be like before it is believed: types first, then names, then what the kind of provider demands."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast, get_type_hints

from madang.plugins.declarations import (
    CommandDeclaration,
    Declaration,
    HttpMount,
    JobDeclaration,
    ListenerDeclaration,
    ProviderDeclaration,
)
from madang.ports.chat import ChatCapabilities, ChatPoster
from madang.ports.email import EmailCapabilities, EmailSender
from madang.ports.faces import FaceDetector, FaceDetectorCapabilities
from madang.ports.hosting import HostingCapabilities, HostingProvider
from madang.ports.identity import IdentityCapabilities, IdentityProvider
from madang.ports.image_model import ImageModel, ImageModelCapabilities
from madang.ports.payment import PaymentCapabilities, PaymentGateway
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsCapabilities, SmsSender
from madang.ports.social import SocialCapabilities, SocialPlatform
from madang.ports.storage import Storage, StorageCapabilities
from madang.ports.text_model import TextModel, TextModelCapabilities

PORTS: Final[Mapping[ProviderKind, tuple[type, type]]] = {
    ProviderKind.TEXT_MODEL: (TextModel, TextModelCapabilities),
    ProviderKind.IMAGE_MODEL: (ImageModel, ImageModelCapabilities),
    ProviderKind.PAYMENT: (PaymentGateway, PaymentCapabilities),
    ProviderKind.STORAGE: (Storage, StorageCapabilities),
    ProviderKind.SMS: (SmsSender, SmsCapabilities),
    ProviderKind.EMAIL: (EmailSender, EmailCapabilities),
    ProviderKind.CHAT: (ChatPoster, ChatCapabilities),
    ProviderKind.SOCIAL: (SocialPlatform, SocialCapabilities),
    ProviderKind.HOSTING: (HostingProvider, HostingCapabilities),
    ProviderKind.IDENTITY: (IdentityProvider, IdentityCapabilities),
    ProviderKind.FACES: (FaceDetector, FaceDetectorCapabilities),
}
"""The Protocol and the capabilities value of each kind of provider."""

HOOKS: Final[Mapping[str, type]] = {
    "register_providers": ProviderDeclaration,
    "register_http": HttpMount,
    "register_commands": CommandDeclaration,
    "register_listeners": ListenerDeclaration,
    "register_jobs": JobDeclaration,
}
"""Each hook with what may be registered through it."""

RESERVED_PATHS: Final = ("/api", "/docs", "/health", "/metrics", "/openapi", "/portraits", "/result", "/schema", "/static")
"""Where the API process itself answers."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COMMAND: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PATH: Final = re.compile(r"(/[a-z0-9][a-z0-9_-]*)+")
_EVENT: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_TARGET: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class RegistrationError(Exception):
    """A plugin registered what cannot be used; the message says what and why."""


def inspect_declaration(declaration: Any, hook: str) -> Declaration:
    """The declaration itself. Raises `RegistrationError` unless it is whole and may come through `hook`."""
    expected = HOOKS[hook]
    if type(declaration) is not expected:
        raise RegistrationError(f"{hook} takes {expected.__name__}, not {type(declaration).__name__}")
    _INSPECTIONS[expected](declaration)
    return cast(Declaration, declaration)


def missing_members(kind: ProviderKind, provider: object) -> list[str]:
    """What the port of `kind` asks for and `provider` has not."""
    port = PORTS[kind][0]
    asked = {name for base in port.__mro__ if base.__module__.startswith("madang.ports") for name in vars(base)}
    return sorted(name for name in asked if not name.startswith("_") and not hasattr(provider, name))


def _inspect_provider(declaration: ProviderDeclaration) -> None:
    name = declaration.name
    if not _is_a(declaration.kind, ProviderKind):
        raise RegistrationError(f"provider {name!r}: kind is a ProviderKind, not {declaration.kind!r}")
    _must_match(NAME, name, "a provider's name is lower-case letters, digits and underscores")
    _inspect_settings(name, declaration.settings)
    expected = PORTS[declaration.kind][1]
    if not isinstance(declaration.capabilities, expected):
        raise RegistrationError(f"{declaration.kind} {name!r}: capabilities must be a {expected.__name__}")
    _inspect_factory(name, declaration.factory)
    if not _is_a(declaration.requires, tuple):
        raise RegistrationError(f"{declaration.kind} {name!r}: requires must be a tuple of module names")


def _inspect_mount(mount: HttpMount) -> None:
    _must_match(_PATH, mount.path, "a mount's path starts with a slash, is lower case, and does not end with one")
    for taken in RESERVED_PATHS:
        if mount.path == taken or mount.path.startswith(taken + "/"):
            raise RegistrationError(f"mount {mount.path!r}: {taken} belongs to Madang itself")
    _inspect_made(mount.path, mount)


def _inspect_command(command: CommandDeclaration) -> None:
    _must_match(_COMMAND, command.name, "a command's name is lower-case letters, digits and hyphens")
    _must_match(_TARGET, command.target, 'a command\'s target is "module:attribute"')


def _inspect_listener(listener: ListenerDeclaration) -> None:
    _must_match(_EVENT, listener.event, 'an event\'s name is like "billing.payment_changed"')
    _must_match(NAME, listener.listener, "a listener's name is lower-case letters, digits and underscores")
    _inspect_made(listener.listener, listener)


def _inspect_job(job: JobDeclaration) -> None:
    _must_match(NAME, job.job, "a job's name is lower-case letters, digits and underscores")
    if not _is_a(job.every, timedelta) or job.every < timedelta(seconds=1):
        raise RegistrationError(f"job {job.job!r}: every is a timedelta of a second or more, not {job.every!r}")
    _inspect_made(job.job, job)


def _inspect_made(label: str, declaration: HttpMount | ListenerDeclaration | JobDeclaration) -> None:
    if declaration.name is not None:
        _must_match(NAME, declaration.name, "a settings section is lower-case letters, digits and underscores")
    _inspect_settings(label, declaration.settings)
    _inspect_factory(label, declaration.factory)


def _inspect_settings(label: str, settings: object) -> None:
    if settings is None:
        return
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        raise RegistrationError(f"{label!r}: settings must be a frozen dataclass or None, not {settings!r}")
    if not getattr(settings, "__dataclass_params__").frozen:  # noqa: B009  the attribute is not in the type stubs
        raise RegistrationError(f"{label!r}: settings {settings.__name__} must be frozen")
    try:
        get_type_hints(settings)
    except (NameError, TypeError, AttributeError) as error:
        raise RegistrationError(f"{label!r}: the types of {settings.__name__} cannot be read: {error}") from error


def _inspect_factory(label: str, factory: object) -> None:
    if not callable(factory):
        raise RegistrationError(f"{label!r}: factory must be callable")
    if inspect.iscoroutinefunction(factory):
        raise RegistrationError(f"{label!r}: factory must be synchronous")


def _is_a(value: object, kind: type) -> bool:
    """What a stranger wrote need not have the type that it is annotated with."""
    return isinstance(value, kind)


def _must_match(pattern: re.Pattern[str], word: object, rule: str) -> None:
    if not isinstance(word, str) or not pattern.fullmatch(word):
        raise RegistrationError(f"{word!r}: {rule}")


_INSPECTIONS: Final[Mapping[type, Callable[[Any], None]]] = {
    ProviderDeclaration: _inspect_provider,
    HttpMount: _inspect_mount,
    CommandDeclaration: _inspect_command,
    ListenerDeclaration: _inspect_listener,
    JobDeclaration: _inspect_job,
}


def section_of(declaration: Declaration) -> str | None:
    """The settings section that the declaration's factory reads; None where it has none (a command)."""
    return None if isinstance(declaration, CommandDeclaration) else declaration.name
