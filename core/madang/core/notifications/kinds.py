"""The kinds of messages as data: why each is sent, by which channels, and with which values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from madang.core.notifications.model import Category, Channel

_EMAIL: Final = (Channel.EMAIL,)
_EMAIL_OR_SMS: Final = (Channel.EMAIL, Channel.SMS)

CHANNELS: Final[Mapping[Category, Sequence[Channel]]] = {
    Category.SECURITY: _EMAIL,
    Category.TRANSACTIONAL: (*_EMAIL_OR_SMS, Channel.CHAT),
    Category.PRODUCT: (*_EMAIL_OR_SMS, Channel.CHAT),
    Category.MARKETING: _EMAIL,
    Category.OPERATIONS: (Channel.CHAT, Channel.EMAIL),
}
"""By which a category can be had at all. The chat is the team's: those who are in it may have their messages there, too."""
DEFAULTS: Final[Mapping[Category, Sequence[Channel]]] = {
    Category.SECURITY: _EMAIL,
    Category.TRANSACTIONAL: _EMAIL_OR_SMS,
    Category.PRODUCT: _EMAIL,
    Category.MARKETING: (),
    Category.OPERATIONS: (Channel.CHAT, Channel.EMAIL),
}
"""For who has chosen nothing. Advertising needs consent first (Korea's Network Act, article 50)."""
CHOSEN_BY_USERS: Final = (Category.TRANSACTIONAL, Category.PRODUCT, Category.MARKETING)
ALWAYS_ON: Final = frozenset({Category.SECURITY, Category.TRANSACTIONAL, Category.OPERATIONS})


@dataclass(frozen=True, slots=True)
class Kind:
    """`channels` in the order of preference. `needs` are the values that its templates cannot do without, `takes` those that
    they use when they are there; a value named `link` is an address with http or https.

    A `farewell` is written while its reader is being erased: nobody can be asked for the address afterwards, so it is taken at
    once, and forgotten with the sending.
    """

    name: str
    category: Category
    needs: frozenset[str] = frozenset()
    takes: frozenset[str] = frozenset()
    farewell: bool = False

    @property
    def channels(self) -> Sequence[Channel]:
        return CHANNELS[self.category]

    @property
    def can_be_unsubscribed(self) -> bool:
        return self.category not in ALWAYS_ON

    def check(self, values: Mapping[str, str]) -> None:
        """Raises `LookupError` for a value that is missing or that the kind does not know, and for a link that is none."""
        if missing := sorted(self.needs - values.keys()):
            raise LookupError(f"{self.name} needs the value {missing[0]}")
        if unknown := sorted(values.keys() - self.needs - self.takes):
            raise LookupError(f"{self.name} has no value {unknown[0]}")
        if not values.get("link", "https://").startswith(("https://", "http://")):
            raise LookupError(f"{self.name}: its link must start with https:// or http://")


def _kinds(*kinds: Kind) -> Mapping[str, Kind]:
    return {kind.name: kind for kind in kinds}


def _with(*names: str) -> frozenset[str]:
    return frozenset(names)


_DISPUTED: Final = _with("payment_id", "provider", "amount")

KINDS: Final = _kinds(
    Kind("identity.verify_email", Category.SECURITY, needs=_with("link")),
    Kind("identity.reset_password", Category.SECURITY, needs=_with("link")),
    Kind("identity.password_changed", Category.SECURITY),
    Kind("identity.locked_out", Category.SECURITY),
    Kind("identity.two_factor_enabled", Category.SECURITY),
    Kind("identity.two_factor_disabled", Category.SECURITY),
    Kind("identity.recovery_code_used", Category.SECURITY),
    Kind("identity.api_key_created", Category.SECURITY, takes=_with("name")),
    Kind("privacy.erased", Category.SECURITY, farewell=True),
    Kind("webhooks.endpoint_disabled", Category.TRANSACTIONAL, needs=_with("host")),
    Kind("billing.invoice_issued", Category.TRANSACTIONAL, needs=_with("number", "amount", "link")),
    Kind("billing.credit_note_issued", Category.TRANSACTIONAL, needs=_with("number", "amount", "link")),
    Kind("billing.trial_ending", Category.TRANSACTIONAL, needs=_with("plan", "amount", "date")),
    Kind("billing.payment_failed", Category.TRANSACTIONAL, needs=_with("plan", "amount"), takes=_with("date")),
    Kind("billing.subscription_suspended", Category.TRANSACTIONAL, needs=_with("plan", "amount"), takes=_with("date")),
    Kind("billing.subscription_ended", Category.TRANSACTIONAL, needs=_with("plan", "amount")),
    Kind("billing.plan_change_failed", Category.TRANSACTIONAL, needs=_with("plan", "amount")),
    Kind("billing.installment_due", Category.TRANSACTIONAL, needs=_with("phase", "amount", "due")),
    Kind("billing.installment_overdue", Category.TRANSACTIONAL, needs=_with("phase", "amount", "due")),
    Kind("product.news", Category.PRODUCT, needs=_with("title", "text"), takes=_with("link")),
    Kind("marketing.offer", Category.MARKETING, needs=_with("title", "text"), takes=_with("link")),
    Kind("operations.alert_raised", Category.OPERATIONS, needs=_with("rule", "summary", "since")),
    *(
        Kind(f"billing.dispute_{became}", Category.OPERATIONS, needs=_DISPUTED)
        for became in ("open", "won", "refunded", "reversed")
    ),
    Kind("billing.dispute_lost", Category.OPERATIONS, needs=_DISPUTED | {"taken"}),
    Kind("operations.alert_cleared", Category.OPERATIONS, needs=_with("rule", "summary", "since")),
)


def kind_named(name: str, kinds: Mapping[str, Kind] = KINDS) -> Kind:
    """Raises `LookupError`."""
    try:
        return kinds[name]
    except KeyError:
        raise LookupError(f"nobody declared messages of the kind {name!r}") from None


def in_category(categories: Iterable[Category]) -> Sequence[Kind]:
    wanted = frozenset(categories)
    return [kind for kind in KINDS.values() if kind.category in wanted]
