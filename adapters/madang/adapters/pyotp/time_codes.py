"""`TimeCodes`: TOTP as authenticators have it (RFC 6238: SHA-1, six digits, 30 seconds), and its address as a QR code."""

import io
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyotp

PERIOD: Final = 30
DIGITS: Final = 6
_AROUND: Final = (0, -1, 1)
"""Time steps that count: the present one, and for clocks that differ and slow fingers those beside it."""
_SECRET_CHARACTERS: Final = 32


class PyotpTimeCodes:
    """Fulfils `TimeCodes`. `issuer` is what authenticators show above the account. The libraries are loaded with the first
    code: most processes see none."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def new_secret(self) -> str:
        import pyotp

        return pyotp.random_base32(_SECRET_CHARACTERS)

    def address(self, secret: str, account: str) -> str:
        return self._totp(secret).provisioning_uri(name=account, issuer_name=self._issuer)

    def picture(self, address: str) -> str:
        """A whole SVG document, black on white whatever lies behind it."""
        import segno

        drawn = io.BytesIO()
        segno.make(address, error="m", micro=False).save(drawn, kind="svg", scale=4, light="white", xmldecl=False, nl=False)
        return drawn.getvalue().decode()

    def step_of(self, secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
        """All steps are computed, whichever matches."""
        from pyotp.utils import strings_equal

        present, totp = int(now.timestamp()) // PERIOD, self._totp(secret)
        matching = [step for step in (present + off for off in _AROUND) if strings_equal(totp.generate_otp(step), code)]
        fresh = [step for step in matching if after is None or step > after]
        return min(fresh, default=None)

    def _totp(self, secret: str) -> "pyotp.TOTP":
        import pyotp

        return pyotp.TOTP(secret, digits=DIGITS, interval=PERIOD)
