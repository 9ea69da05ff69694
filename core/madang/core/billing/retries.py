"""When billing tries again what a provider could not take or answer."""

from typing import Final

from madang.core.kernel.messages import RetryPolicy

PATIENT: Final = RetryPolicy((1, 5, 30, 120, 600, 1800, 3600, 3600, 3600, 3600))
"""Seconds: at once for a moment's trouble, then for some five hours."""
