"""One place that asks text models for a document: validate by its schema, repair once, then the next provider."""

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from madang.core.generation.prompts import fenced, load
from madang.core.generation.schemas import SchemaValidator
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, ProviderError, RateLimited, Unavailable, Unsupported
from madang.ports.text_model import PromptMessage, Role, TextModel, TextRequest

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_PROBLEM: Final = 2000
_UNSTORABLE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\x00\ud800-\udfff]")
"""As JSON may write it; a cheap look that most answers need no second one after."""
_UNSTORABLE_DECODED: Final = re.compile(r"[\x00\ud800-\udfff]")


class InvalidOutput(Exception):
    """The model's answer is not the document asked for; the text says where, for the model to repair."""


@dataclass(frozen=True, slots=True)
class Structured(Generic[T]):
    """A valid document, and who wrote it. `repaired` tells that it took the repair round."""

    value: T
    provider: str
    model: str
    repaired: bool


async def ask_for(
    models: Sequence[TextModel], request: TextRequest, parse: Callable[[object], T], schemas: SchemaValidator
) -> Structured[T]:
    """The first valid document in the order of the route.

    What was decoded is valid by `request.schema`, and can be stored, before `parse` sees it. `parse` turns it into the
    document, or raises `InvalidOutput` for what no schema can say. A provider that fails, or that answers wrongly twice, passes
    the request on. Raises the last provider's error – one that may pass where there was any, so that the caller tries again –
    or `Unavailable` when all answered and none validly.
    """
    read = _Reader(request.schema, parse, schemas)
    errors: list[PortError] = []
    for model in models:
        try:
            structured = await _ask_one(model, request, read)
        except (ProviderError, Misconfigured, Unsupported) as error:
            logger.warning("text model %s failed, trying the next: %s", model.name, error)
            errors.append(error)
            continue
        if structured is not None:
            return structured
        errors.append(Unavailable("answered twice without a valid document", provider=model.name, operation="generate"))
    raise _most_hopeful(errors)


def _most_hopeful(errors: Sequence[PortError]) -> PortError:
    """The last one that may pass, else the last."""
    passing = [error for error in errors if isinstance(error, Unavailable | RateLimited | OutcomeUnknown)]
    return [Misconfigured("no text model is in the route", operation="generate"), *errors, *passing][-1]


async def _ask_one(model: TextModel, request: TextRequest, read: "_Reader[T]") -> Structured[T] | None:
    answer = await model.generate(request)
    try:
        return Structured(read(answer.text), model.name, answer.model, repaired=False)
    except InvalidOutput as invalid:
        logger.warning("text model %s answered an invalid document, one repair round: %s", model.name, invalid)
        repair = _repair_request(request, answer.text, str(invalid))
    answer = await model.generate(repair)
    try:
        return Structured(read(answer.text), model.name, answer.model, repaired=True)
    except InvalidOutput as invalid:
        logger.warning("text model %s could not repair its document: %s", model.name, invalid)
        return None


@dataclass(frozen=True, slots=True)
class _Reader(Generic[T]):
    """Text to document, or `InvalidOutput`."""

    schema: Mapping[str, Any] | None
    parse: Callable[[object], T]
    schemas: SchemaValidator

    def __call__(self, text: str) -> T:
        decoded = _decoded(text)
        problems = [] if self.schema is None else self.schemas.problems(self.schema, decoded)
        if problems:
            raise InvalidOutput("\n".join(problems))
        return self.parse(decoded)


def _decoded(text: str) -> object:
    try:
        decoded = json.loads(text, parse_constant=_no_constant)
        if _UNSTORABLE.search(text) and any(_UNSTORABLE_DECODED.search(each) for each in _texts(decoded)):
            raise InvalidOutput("holds a character that no text has: a NUL or half of a surrogate pair")
    except ValueError as error:
        raise InvalidOutput(f"not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidOutput("nested too deeply") from error
    return decoded


def _no_constant(name: str) -> object:
    """Python reads `NaN` and `Infinity`, which JSON does not have."""
    raise ValueError(f"{name} is no value of JSON")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _repair_request(request: TextRequest, answer: str, problem: str) -> TextRequest:
    """What is wrong may quote the answer, so both are fenced. An empty turn is one that providers refuse."""
    prompt = load("repair_json").render(problem=fenced(problem[:_LONGEST_PROBLEM]), answer=fenced(answer))
    answered = (PromptMessage(Role.ASSISTANT, answer),) if answer.strip() else ()
    return dataclasses.replace(
        request,
        messages=(*request.messages, *answered, PromptMessage(Role.USER, prompt)),
        idempotency_key=f"{request.idempotency_key}:repair",
    )
