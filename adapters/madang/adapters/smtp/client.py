"""One connection for each message, by aiosmtplib: bounded in time, nothing tried twice."""

import asyncio
import contextlib
import ssl
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPNotSupported, SMTPRecipientRefused, SMTPResponseException

from madang.adapters.smtp.mapping import Stage, lost, refused
from madang.adapters.smtp.message import NAME, Composed
from madang.adapters.smtp.settings import SmtpSettings
from madang.ports.errors import Misconfigured, PortError, Rejected

QUIT_SECONDS: Final = 2.0
_NEVER_WORKS: Final = frozenset({SMTPException, SMTPNotSupported})
"""What aiosmtplib raises where the server offers no STARTTLS or no login; lost connections are subclasses."""


class SmtpClient:
    """Shared by all tasks of a process; it holds no connection between calls."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.connections)
        self._trusted: ssl.SSLContext | None = None

    async def deliver(self, message: Composed, timeout: float) -> None:
        """Hand the message over to everybody or to nobody: when the server refuses one recipient, it gets no content.

        Raises `Unavailable`, `Rejected`, `OutcomeUnknown`, `Misconfigured`.
        """
        await self._talk("send", timeout, message)

    async def greet(self, timeout: float) -> None:
        """Connect and log in, and say goodbye. Raises `Unavailable`, `Misconfigured`."""
        await self._talk("check", timeout, None)

    async def _talk(self, operation: str, timeout: float, message: Composed | None) -> None:
        talk = _Talk(self._settings, operation, timeout, self._tls(operation))
        try:
            async with asyncio.timeout(timeout), self._free:
                await talk.open()
                if message is not None:
                    await talk.hand_over(message)
        except PortError:
            raise
        except SMTPResponseException as error:
            raise refused(talk.stage, error.code, str(error.message), operation) from None
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            raise _failure(talk.stage, error, operation) from None
        else:
            await talk.leave()
        finally:
            talk.close()

    def _tls(self, operation: str) -> ssl.SSLContext | None:
        if self._settings.security == "none":
            return None
        if self._trusted is None:
            try:
                self._trusted = ssl.create_default_context(cafile=self._settings.ca_file)
            except OSError as error:
                what = type(error).__name__
                raise Misconfigured(f"ca_file cannot be read: {what}", provider=NAME, operation=operation) from None
        return self._trusted


class _Talk:
    """One connection, and how far it is."""

    def __init__(self, settings: SmtpSettings, operation: str, timeout: float, tls: ssl.SSLContext | None) -> None:
        self.stage = Stage.GREETING
        self._settings = settings
        self._operation = operation
        self._smtp = SMTP(
            hostname=settings.host,
            port=settings.actual_port,
            timeout=timeout,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=tls,
            local_hostname=settings.hello,
        )

    async def open(self) -> None:
        settings = self._settings
        await self._smtp.connect()
        if self._smtp.is_ehlo_or_helo_needed:
            await self._smtp.ehlo()
        if settings.username is not None and settings.password is not None:
            self.stage = Stage.LOGIN
            await self._smtp.login(settings.username, settings.password.reveal())

    async def hand_over(self, message: Composed) -> None:
        smtp = self._smtp
        self.stage = Stage.SENDER
        size = [f"size={len(message.data)}"] if smtp.supports_extension("size") else []
        await smtp.mail(message.sender, options=size)
        self.stage = Stage.RECIPIENT
        refusals = []
        for recipient in message.recipients:
            try:
                await smtp.rcpt(recipient)
            except SMTPRecipientRefused as error:
                refusals.append(refused(self.stage, error.code, str(error.message), self._operation))
        if refusals:
            raise _worst(refusals)
        self.stage = Stage.CONTENT
        await smtp.data(message.data)

    async def leave(self) -> None:
        """Say goodbye. Whether the server hears it changes nothing any more."""
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(QUIT_SECONDS):
                await self._smtp.quit()

    def close(self) -> None:
        self._smtp.close()


def _worst(refusals: list[PortError]) -> PortError:
    """Wrong keys before a refusal for good, and that before one for now: it would come back for ever."""
    order = (Misconfigured, Rejected)
    return min(refusals, key=lambda each: next((rank for rank, kind in enumerate(order) if isinstance(each, kind)), len(order)))


def _failure(stage: Stage, error: Exception, operation: str) -> PortError:
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    what = type(cause).__name__
    if isinstance(cause, ssl.SSLError) and stage is Stage.GREETING:
        return Misconfigured(f"TLS with the server fails: {what}", provider=NAME, operation=operation)
    speaks_other = isinstance(error, ValueError) or type(error) in _NEVER_WORKS
    if speaks_other and stage is not Stage.CONTENT:
        return Misconfigured("the server lacks what security or the login asks for", provider=NAME, operation=operation)
    return lost(stage, what, operation)
