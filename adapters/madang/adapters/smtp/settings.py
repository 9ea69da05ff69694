"""What a deployment says about its mail server."""

from dataclasses import dataclass
from typing import Final

from madang.ports.secret import Secret

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class SmtpSettings:
    """`security` is `starttls` (refused without), `tls` from the start, or `none`, over which no password is sent except to
    this machine itself. Without `port` it is 587, 465 or 25. `ca_file` is a PEM file of certificates to trust instead of the
    system's.

    `sender` is the address that e-mails come from, and `sender_name` the name beside it. `hello` is how we introduce
    ourselves; without it, this machine's own name. `max_bytes` is the largest message that the server takes, and
    `connections` how many there may be at once from one process.
    """

    host: str
    sender: str
    sender_name: str | None = None
    port: int | None = None
    security: str = "starttls"
    username: str | None = None
    password: Secret | None = None
    ca_file: str | None = None
    hello: str | None = None
    max_bytes: int = 25 * 1024**2
    connections: int = 4

    def __post_init__(self) -> None:
        if self.security not in PORTS:
            raise ValueError(f"security is one of {', '.join(PORTS)}")
        if not self.host or any(each.isspace() for each in self.host + (self.hello or "")):
            raise ValueError("host and hello are names without spaces")
        if "@" not in self.sender or any(each in self.sender for each in " <>,\r\n"):
            raise ValueError("sender is local@domain without a name: that goes into sender_name")
        if any(not each.isprintable() for each in self.sender_name or ""):
            raise ValueError("sender_name holds a line break")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password come together")
        if self.password is not None and self.security == "none" and self.host not in LOOPBACK:
            raise ValueError("a password is not sent without TLS: set security to starttls or tls")
        if self.port is not None and not 0 < self.port < 65_536:
            raise ValueError("port is between 1 and 65535")
        if self.max_bytes < 1024 or self.connections < 1:
            raise ValueError("max_bytes is at least 1024, and connections at least 1")

    @property
    def actual_port(self) -> int:
        return self.port or PORTS[self.security]
