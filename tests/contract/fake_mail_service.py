"""A mail server as the kit's remote side: SMTP (RFC 5321) with AUTH PLAIN; EHLO, AUTH and DATA each count as a request."""

import base64
import select
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler

from contract.fake_smtp import PASSWORD, USER
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

ANSWERS = {
    Fault.UNAVAILABLE: "451 4.3.0 later",
    Fault.WRONG_KEY: "535 5.7.8 no",
    Fault.GARBAGE: "what",
}


class FakeMailService(RemoteService):
    """Keeps what it took. What asks for an effect is the end of the DATA."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _Talk
        self.taken: list[Arrived] = []
        self._taking = threading.Lock()

    def acts(self, request: Arrived) -> bool:
        return request.method == "DATA"

    def answer(self, request: Arrived) -> Reply:
        if request.method == "DATA":
            with self._taking:
                self.taken.append(request)
        return Reply()


class _Talk(StreamRequestHandler):
    server: FakeMailService
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self._open, self._known, self._envelope = True, False, list[str]()
        self._say("220 mx.example.com ESMTP")
        while self._open and (line := self.rfile.readline()):
            verb, _, rest = line.decode().strip().partition(" ")
            getattr(self, f"_{verb.lower()}", self._unknown)(rest)

    def _ehlo(self, name: str) -> None:
        self._meet(Arrived("EHLO", name, {}, {}, b""), "250-mx.example.com", "250-SIZE 26214400", "250 AUTH PLAIN")

    def _auth(self, rest: str) -> None:
        given = base64.b64decode(rest.removeprefix("PLAIN ")).split(b"\0")
        self._known = given[1:] == [USER.encode(), PASSWORD.encode()]
        self._meet(Arrived("AUTH", "", {}, {}, b""), "235 2.7.0 welcome" if self._known else "535 5.7.8 no")

    def _mail(self, rest: str) -> None:
        self._envelope = [rest]
        self._say("250 2.1.0 sender" if self._known else "530 5.7.0 who are you")

    def _rcpt(self, rest: str) -> None:
        self._envelope.append(rest)
        self._say("250 2.1.5 recipient")

    def _data(self, rest: str) -> None:
        self._say("354 go ahead")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return
            lines.append(line.removeprefix(b"."))
        self._meet(Arrived("DATA", "", {}, {"envelope": " ".join(self._envelope)}, b"".join(lines)), "250 2.0.0 queued")

    def _quit(self, rest: str) -> None:
        self._open = False
        self._say("221 2.0.0 bye")

    def _unknown(self, rest: str) -> None:
        self._say("500 5.5.2 what")

    def _meet(self, request: Arrived, *good: str) -> None:
        self.server.note(request)
        fault = self.server.fault_for(request)
        if fault not in (*ANSWERS, Fault.HUNG_UP_BEFORE) or fault is Fault.GARBAGE:
            self.server.answer(request)
        if fault is None:
            self._say(*good)
        elif fault in ANSWERS:
            self._say(ANSWERS[fault])
        else:
            self._open = False
            self._leave(fault)

    def _leave(self, fault: Fault) -> None:
        if fault is Fault.CUT_OFF:
            self.wfile.write(b"25")
        while fault in (Fault.SILENT, Fault.SLOW) and not self.server.ended.wait(0.05):
            if fault is Fault.SLOW:
                self.wfile.write(b"250-wait\r\n")
            elif select.select([self.connection], [], [], 0)[0]:
                return

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


def words_of_mail(request: Arrived) -> str:
    """The envelope, the headers, the texts, and the files as base64 with their names."""
    message = message_from_bytes(request.body, policy=policy.default)
    assert isinstance(message, EmailMessage)
    words = [request.headers.get("envelope", ""), *(str(value) for value in message.values())]
    for part in message.walk():
        if part.get_content_maintype() == "text":
            words.append(str(part.get_content()).replace("\r\n", "\n"))
        elif not part.is_multipart():
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            words += [base64.b64encode(data).decode(), part.get_filename() or ""]
    return "\n".join(words)
