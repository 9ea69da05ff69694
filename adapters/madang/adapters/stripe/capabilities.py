"""What Stripe can do, and in which currencies.

It knows a checkout by the reference that it gave, not by our id: its search is behind by minutes, so nothing is found by that.
"""

from dataclasses import replace
from typing import Final

from madang.adapters.stripe.settings import StripeSettings
from madang.ports.payment import PaymentCapabilities

NAME: Final = "stripe"

_LISTED: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP CRC "
    "CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY KES "
    "KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR "
    "NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TND TOP TRY TTD "
    "TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW"
)
CURRENCIES: Final = frozenset(_LISTED.split())
"""Those that Stripe lists for payments; the country of an account may allow fewer, and then Stripe refuses the checkout.

Not verified: the list, which Stripe shows only to who is signed in; a currency that is not in it is refused here."""

PAYMENT: Final = PaymentCapabilities(
    currencies=CURRENCIES,
    idempotent=True,
    finds_refunds=True,
    subscriptions=True,
    changes_subscriptions=True,
    cancels_at_period_end=True,
    resumes_subscriptions=True,
    lists_payments=True,
    closes_checkouts=True,
)


def as_configured(settings: StripeSettings) -> PaymentCapabilities:
    """Without a webhook secret no webhook is believed."""
    return replace(PAYMENT, signed_webhooks=settings.webhook_secret is not None)
