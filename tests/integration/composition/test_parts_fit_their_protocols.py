"""What the composition root hands to a part can be called as that part calls it: the type checker does not see the wiring."""

import inspect
import typing
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Any, Protocol

from dependency_injector import providers

from deployment import Deployment

_PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD
_SPREAD = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


async def test_every_part_of_the_container_fits_the_protocol_that_asks_for_it(deployment: Deployment) -> None:
    checked, misfits = 0, []
    for part in deployment.container._wiring.traverse(types=[providers.Singleton]):
        if (made := part.cls).__module__.startswith("madang."):
            for name, wanted, given in asked_for(made, part):
                checked += 1
                misfits += [f"{made.__name__}({name}={type(given).__name__}): {why}" for why in misfit(given, wanted)]
    assert checked > 100
    assert misfits == []


def asked_for(made: Any, part: Any) -> Iterator[tuple[str, Any, Any]]:
    """Of each argument its name, the protocol, and what it is given."""
    given = inspect.signature(made).bind(*map(resolved, part.args), **{k: resolved(v) for k, v in part.kwargs.items()})
    hints = getattr(made.__init__ if inspect.isclass(made) else made, "__annotations__", {})
    for name, value in given.arguments.items():
        wanted = hints.get(name)
        many = isinstance(value, list | tuple)
        for each in value if many else (value,):
            for protocol in protocols_in(wanted):
                yield name, protocol, each


def resolved(argument: Any) -> Any:
    return argument() if isinstance(argument, providers.Provider) else argument


def protocols_in(wanted: Any) -> Iterator[Any]:
    """The protocol itself, that of its type parameters' owner, or those that a sequence or a union holds."""
    origin = typing.get_origin(wanted)
    if origin in (UnionType, typing.Union, Sequence):
        for inner in typing.get_args(wanted):
            yield from protocols_in(inner)
    else:
        found = origin or wanted
        if inspect.isclass(found) and getattr(found, "_is_protocol", False) and found is not Protocol:
            yield found


def members(protocol: Any) -> Sequence[str]:
    asking = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False) and base is not Protocol]
    return sorted({name for base in asking for name in vars(base) if name == "__call__" or not name.startswith("_")})


def misfit(given: Any, protocol: Any) -> Iterator[str]:
    for name in members(protocol):
        declared = inspect.getattr_static(protocol, name)
        if isinstance(declared, property) or not callable(declared):
            if not hasattr(given, name):
                yield f"has no {name}"
        elif not callable(real := getattr(given, name, None)):
            yield f"has no {name}()"
        elif why := uncallable(inspect.signature(real), inspect.signature(declared)):
            yield f"{name}(): {why}"


def uncallable(real: inspect.Signature, declared: inspect.Signature) -> str:
    """Why a call that the protocol allows is none that the real one takes."""
    has = real.parameters
    if any(each.kind in _SPREAD for each in has.values()):
        return ""
    asked = list(declared.parameters.values())[1:]
    for place, wanted in enumerate(asked):
        mine = has.get(wanted.name)
        if mine is None:
            by_place = list(has.values())
            private = wanted.name.startswith("_") or wanted.kind is inspect.Parameter.POSITIONAL_ONLY
            if not private or place >= len(by_place):
                return f"takes no {wanted.name}"
        elif wanted.kind is _PLAIN and (mine.kind is not _PLAIN or list(has).index(wanted.name) != place):
            return f"takes {wanted.name} in another place"
        elif wanted.default is not inspect.Parameter.empty and mine.default is inspect.Parameter.empty:
            return f"must be given {wanted.name}"
    names = {wanted.name for wanted in asked}
    further = [one.name for one in has.values() if one.default is inspect.Parameter.empty and one.name not in names]
    return f"must be given {further[0]}" if len(has) > len(asked) and further else ""
