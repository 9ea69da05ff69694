"""The signatures of handlers, parsed once for all applications that a test runner composes: their code does not change."""

from functools import cache
from types import FunctionType
from typing import Any

from litestar._signature.model import SignatureModel
from litestar.utils.signature import ParsedSignature

_parsed: dict[tuple[Any, ...], ParsedSignature] = {}
_models: dict[tuple[Any, ...], tuple[ParsedSignature, type[SignatureModel]]] = {}
"""With what each was made of, which so keeps its identity."""


@cache
def parse_signatures_once() -> None:
    """From now on, Litestar does; two thirds of what composing an application costs."""
    parse, create = ParsedSignature.from_fn, SignatureModel.create

    def from_fn(fn: Any, signature_namespace: dict[str, Any]) -> ParsedSignature:
        if not isinstance(fn, FunctionType) or fn.__defaults__ or fn.__kwdefaults__:
            return parse(fn, signature_namespace)
        names = ((name, id(value)) for name, value in signature_namespace.items())
        key = (fn.__code__, *fn.__annotations__.items(), *names)
        if key not in _parsed:
            _parsed[key] = parse(fn, signature_namespace)
        return _parsed[key]

    def model(parsed_signature: ParsedSignature, fn: Any, **others: Any) -> type[SignatureModel]:
        if others["dependency_name_set"] or others["data_dto"] is not None or not isinstance(fn, FunctionType):
            return create(parsed_signature=parsed_signature, fn=fn, **others)
        key = (id(parsed_signature), fn.__code__, *others["type_decoders"])
        if key not in _models:
            _models[key] = parsed_signature, create(parsed_signature=parsed_signature, fn=fn, **others)
        return _models[key][1]

    ParsedSignature.from_fn = from_fn  # type: ignore[assignment, method-assign]
    SignatureModel.create = model  # type: ignore[assignment, method-assign]
