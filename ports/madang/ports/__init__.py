"""The contracts of the outside world: what Madang asks of a provider, and how a provider may fail.

A plugin author needs this package and nothing else of Madang. It imports the standard library only.
`CONTRACT_VERSION` is `major.minor`: a minor step only adds (and is announced by a capability),
a major step may change what is here.
"""

from typing import Final

CONTRACT_VERSION: Final = "1.0"
"""Version of every Protocol, value and error in `madang.ports`."""
