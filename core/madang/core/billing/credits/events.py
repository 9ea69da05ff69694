"""What credits announce to their owner."""

from typing import Final

from madang.core.billing.credits.model import CreditTransaction, Wallet
from madang.core.kernel.events import Event

CREDITS_CHANGED: Final = "billing.credits_changed"
"""An account's balance or what is held of it changed. Payload: `transactionId`, `type`, `amount`, `balance`, `held`."""


def credits_changed(wallet: Wallet, transaction: CreditTransaction) -> Event:
    payload = {
        "transactionId": str(transaction.id),
        "type": transaction.kind.value,
        "amount": transaction.amount,
        "balance": wallet.available,
        "held": wallet.held,
    }
    return Event(CREDITS_CHANGED, f"credits:{wallet.id}", payload, owner=wallet.user_id)
