"""A wallet and its lots while they are being changed: every change is a move between two accounts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from madang.core.billing.credits.model import OF_OWNERS, AccountKind, InsufficientCredits, Lot, Move, Wallet

Part = tuple[UUID, int]
"""How much of which lot."""

_K: Final = AccountKind
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def in_spending_order(lots: Iterable[Lot]) -> Sequence[Lot]:
    """What ends soonest first, what never ends last; of two that end together the older one."""
    return sorted(lots, key=lambda lot: (lot.expires_at or _NEVER, lot.created_at, lot.id))


class Book:
    """For a wallet whose row is locked, with its lots that hold anything. What is over cannot be spent, also before it is
    expired. A wallet that is nobody's any more has nothing that is not over."""

    def __init__(self, wallet: Wallet, lots: Iterable[Lot], now: datetime) -> None:
        self.wallet = wallet
        self.now = now
        self._lots = {lot.id: lot for lot in lots}
        self._moves: list[Move] = []
        self._changed: dict[UUID, None] = {}

    @property
    def spendable(self) -> int:
        return sum(lot.available for lot in self._usable())

    def lot(self, lot_id: UUID) -> Lot:
        return self._lots[lot_id]

    def include(self, lots: Iterable[Lot]) -> None:
        """Also these, which may be empty."""
        for lot in lots:
            self._lots.setdefault(lot.id, lot)

    def add(self, lot: Lot) -> None:
        """A new one, all of it available."""
        self._lots[lot.id] = lot
        self._note(Move(lot.id, lot.source.account, _K.AVAILABLE, lot.amount))

    def spend(self, amount: int) -> None:
        """Raises `InsufficientCredits`, and nothing has changed."""
        self._out_of_available(amount, _K.SPENT)

    def hold(self, amount: int) -> None:
        """Raises `InsufficientCredits`, and nothing has changed."""
        self._out_of_available(amount, _K.HELD)

    def take(self, parts: Iterable[Part], amount: int) -> None:
        """Of what is held in these parts spend as much, soonest-ending first, and give the rest back."""
        held = dict(parts)
        left = amount
        for lot in in_spending_order(self._lots[lot_id] for lot_id in held):
            taken = min(left, held[lot.id])
            self._move(lot.id, _K.HELD, _K.SPENT, taken)
            self._move(lot.id, _K.HELD, _K.AVAILABLE, held[lot.id] - taken)
            left -= taken

    def expire(self) -> None:
        """What is available of lots that are over."""
        for lot in in_spending_order(self._lots.values()):
            if self._is_over(lot):
                self._move(lot.id, _K.AVAILABLE, _K.EXPIRED, lot.available)

    def revoke(self, lot_id: UUID, amount: int) -> None:
        """From now on a refund asks back this much in all; never less than before."""
        lot = self._lots[lot_id]
        wanted = min(lot.amount, max(lot.revoked, amount))
        if wanted != lot.revoked:
            self._lots[lot_id] = replace(lot, revoked=wanted)
            self._changed[lot_id] = None

    def forgive(self, lot_id: UUID) -> None:
        """Nothing more is asked back than was got."""
        lot = self._lots[lot_id]
        if lot.owed:
            self._lots[lot_id] = replace(lot, revoked=lot.revoked - lot.owed)
            self._changed[lot_id] = None

    def take_back(self) -> None:
        """What refunds ask back, of what is left of their lots. What is held may come back and is waited for; what was spent is
        lost, and nobody's balance falls for it."""
        for lot in in_spending_order(self._lots.values()):
            if lot.owed:
                back = min(lot.available, lot.owed)
                self._move(lot.id, _K.AVAILABLE, _K.TAKEN_BACK, back)
                self._move(lot.id, _K.SPENT, _K.LOST, min(lot.spent, lot.owed - back - lot.held))

    @property
    def has_moved(self) -> bool:
        return bool(self._moves)

    def drained(self) -> tuple[Sequence[Move], Sequence[Lot]]:
        """The moves since the last time, and the lots that they changed."""
        moves, changed = self._moves, [self._lots[lot_id] for lot_id in self._changed]
        self._moves, self._changed = [], {}
        return moves, changed

    def _out_of_available(self, amount: int, target: AccountKind) -> None:
        if amount > (spendable := self.spendable):
            raise InsufficientCredits("there are not enough credits", balance=spendable, required=amount)
        left = amount
        for lot in in_spending_order(self._usable()):
            used = min(left, lot.available)
            self._move(lot.id, _K.AVAILABLE, target, used)
            left -= used

    def _usable(self) -> Sequence[Lot]:
        return [lot for lot in self._lots.values() if not self._is_over(lot)]

    def _is_over(self, lot: Lot) -> bool:
        return self.wallet.user_id is None or (lot.expires_at is not None and lot.expires_at <= self.now)

    def _move(self, lot_id: UUID, source: AccountKind, target: AccountKind, amount: int) -> None:
        if amount > 0:
            self._lots[lot_id] = self._lots[lot_id].moved(source, target, amount)
            self._note(Move(lot_id, source, target, amount))

    def _note(self, move: Move) -> None:
        self._moves.append(move)
        self._changed[move.lot_id] = None
        self.wallet = self.wallet.moved(move.source, move.target, move.amount)


def change_of_balance(moves: Iterable[Move]) -> int:
    """What the moves do to what is available."""
    changes = {_K.AVAILABLE: 1}
    return sum(move.amount * (changes.get(move.target, 0) - changes.get(move.source, 0)) for move in moves)


def spent_by(moves: Iterable[Move]) -> int:
    """How much they use up."""
    return sum(move.amount for move in moves if move.target is _K.SPENT and move.source in OF_OWNERS)
