"""What a call used, read off its request and its answer, and which calls may cost something at all.

Answers are a stranger's: what no row can hold is cut here, for one such row would keep all that are written with it out.
"""

import hashlib
import re
from typing import Any, Final

from madang.core.operations.prices import Usage
from madang.ports.image_model import PredictionStatus
from madang.ports.money import Cost
from madang.ports.provider import ProviderKind

COSTING: Final = {
    ProviderKind.TEXT_MODEL: frozenset({"generate", "stream"}),
    ProviderKind.IMAGE_MODEL: frozenset({"start"}),
    ProviderKind.SMS: frozenset({"send"}),
    ProviderKind.EMAIL: frozenset({"send"}),
    ProviderKind.CHAT: frozenset({"post"}),
    ProviderKind.SOCIAL: frozenset({"publish"}),
}
"""The operations that are written down one by one. A payment's fee is the gateway's to tell, hosting is billed by its usage,
and calls of the storage are too many: these are in the metrics only."""
_RUNNING: Final = frozenset({PredictionStatus.PENDING, PredictionStatus.RUNNING})
_LONGEST: Final = 200
_MOST: Final = 10**9
_MOST_MICROS: Final = 10**15
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def usage_of(kind: ProviderKind, request: Any, answer: Any) -> Usage:
    """Of an answer that came; of a prediction that runs, how many pictures it is to make."""
    model = _told(getattr(answer, "model", ""))
    if kind is ProviderKind.TEXT_MODEL:
        return _of_text(model, answer)
    if kind is ProviderKind.IMAGE_MODEL:
        made = getattr(answer, "pictures", ()) if prediction_ended(answer) else range(getattr(request, "count", 1))
        return Usage(model, pictures=len(made))
    if kind is ProviderKind.SMS:
        return Usage(model, messages=1, size=_bytes_of(str(getattr(request, "text", ""))))
    return Usage(model, messages=1)


def own_cost(provider: Any, answer: Any) -> Cost | None:
    """What the provider itself says that it cost: of this call, or of every call of its kind."""
    said = getattr(answer, "cost", None) or getattr(getattr(provider, "capabilities", None), "cost_per_post", None)
    return said if isinstance(said, Cost) and is_kept(said) else None


def is_kept(cost: Cost) -> bool:
    """Whether it is an amount that a row can hold."""
    micros: object = cost.micros
    return isinstance(micros, int) and abs(micros) <= _MOST_MICROS and _CURRENCY.fullmatch(cost.currency) is not None


def reference_of(kind: ProviderKind, answer: Any) -> str | None:
    """By what a prediction is found again when it has ended: a hash of its id, for the id leads to somebody's picture."""
    if kind is not ProviderKind.IMAGE_MODEL or not getattr(answer, "id", None):
        return None
    return hashlib.blake2b(str(answer.id).encode(errors="replace"), digest_size=16, person=b"prediction").hexdigest()


def prediction_ended(answer: Any) -> bool:
    return getattr(answer, "status", PredictionStatus.PENDING) not in _RUNNING


def _of_text(model: str, answer: Any) -> Usage:
    used = getattr(answer, "usage", None)
    if used is None:
        return Usage(model)
    came = _count(used.input_tokens)
    return Usage(model, came, _count(used.output_tokens), _count(used.cached_input_tokens), size=came)


def _told(word: object) -> str:
    """Without what Postgres has no place for."""
    return "".join(each for each in str(word or "")[:_LONGEST] if each.isprintable())


def _count(number: int) -> int:
    return min(max(int(number), 0), _MOST)


def _bytes_of(text: str) -> int:
    """As Korean networks count: two for what is not ASCII. Others count in segments, and are not priced by bytes."""
    return sum(1 if character.isascii() else 2 for character in text)
