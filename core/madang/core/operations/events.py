"""What operations announce: nobody's own affair, for plugins that listen. Payload: `rule`, `value`, `threshold`."""

from typing import Final

ALERT_RAISED: Final = "operations.alert_raised"
ALERT_CLEARED: Final = "operations.alert_cleared"
