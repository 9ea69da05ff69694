"""One place that asks text models for a document: parse, repair once, then the next provider."""

import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from madang.core.generation.prompts import fenced, load
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, ProviderError, RateLimited, Unavailable, Unsupported
from madang.ports.text_model import PromptMessage, Role, TextModel, TextRequest

logger = logging.getLogger(__name__)

T = TypeVar("T")


class InvalidOutput(Exception):
    """The model's answer is not the document asked for; the text says where, for the model to repair."""


@dataclass(frozen=True, slots=True)
class Structured(Generic[T]):
    """A valid document, and who wrote it. `repaired` tells that it took the repair round."""

    value: T
    provider: str
    model: str
    repaired: bool


async def ask_for(models: Sequence[TextModel], request: TextRequest, parse: Callable[[object], T]) -> Structured[T]:
    """The first valid document in the order of the route.

    `parse` turns decoded JSON into the document or raises `InvalidOutput`. A provider that fails, or that answers
    wrongly twice, passes the request on. Raises the last provider's error – one that may pass where there was any, so that
    the caller tries again – or `Unavailable` when all answered and none validly.
    """
    errors: list[PortError] = []
    for model in models:
        try:
            structured = await _ask_one(model, request, parse)
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


async def _ask_one(model: TextModel, request: TextRequest, parse: Callable[[object], T]) -> Structured[T] | None:
    answer = await model.generate(request)
    try:
        return Structured(_parsed(answer.text, parse), model.name, answer.model, repaired=False)
    except InvalidOutput as invalid:
        logger.warning("text model %s answered an invalid document, one repair round: %s", model.name, invalid)
        repair = _repair_request(request, answer.text, str(invalid))
    answer = await model.generate(repair)
    try:
        return Structured(_parsed(answer.text, parse), model.name, answer.model, repaired=True)
    except InvalidOutput as invalid:
        logger.warning("text model %s could not repair its document: %s", model.name, invalid)
        return None


def _parsed(text: str, parse: Callable[[object], T]) -> T:
    try:
        decoded = json.loads(text)
    except ValueError as error:
        raise InvalidOutput(f"not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidOutput("nested too deeply") from error
    return parse(decoded)


def _repair_request(request: TextRequest, answer: str, problem: str) -> TextRequest:
    prompt = load("repair_json").render(problem=problem, answer=fenced(answer))
    return dataclasses.replace(
        request,
        messages=(
            *request.messages,
            PromptMessage(Role.ASSISTANT, answer),
            PromptMessage(Role.USER, prompt),
        ),
        idempotency_key=f"{request.idempotency_key}:repair",
    )
