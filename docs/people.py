"""One person's way through Madang, with nothing but HTTP: python docs/people.py http://127.0.0.1:8000

Signs up, turns on two factors, signs in with both, makes an API key, uploads 10 MB straight to the storage and 10 MB through
the API while listening to the live events, exports everything, and erases it. Each step checks what it got; the first one that
is not as promised ends the script with an error. The tests run it against a whole deployment.
"""

import hashlib
import json
import os
import queue
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pyotp

TEN_MEGABYTES = 10 * 1024 * 1024 - 1024
"""Of content: a little room is left for the frame of a multipart form."""
PATIENCE = 30.0


class Api:
    """Calls below `/api/v1`; an answer that is no success ends the script."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=f"{base_url}/api/v1", timeout=PATIENCE)

    def call(self, method: str, path: str, *, expect: int = 200, **more: Any) -> Any:
        answer = self.http.request(method, path, **more)
        if answer.status_code != expect:
            raise SystemExit(f"{method} {path}: {answer.status_code} instead of {expect}: {answer.text[:500]}")
        return answer.json().get("data")


class Listener:
    """Live events, as they come, in a thread of its own."""

    def __init__(self, http: httpx.Client, headers: dict[str, str]) -> None:
        self._http = http
        self._headers = headers
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._open = threading.Event()

    @contextmanager
    def listening(self) -> Iterator["Listener"]:
        threading.Thread(target=self._listen, daemon=True).start()
        if not self._open.wait(PATIENCE):
            raise SystemExit("GET /events did not open")
        yield self

    def next(self, name: str) -> Any:
        """The next event of this name; others are passed over."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            try:
                found, data = self._events.get(timeout=left)
            except queue.Empty:
                break
            if found == name:
                return data
        raise SystemExit(f"no event {name} came within {PATIENCE:g} seconds")

    def _listen(self) -> None:
        try:
            with self._http.stream("GET", "/events", headers=self._headers, timeout=None) as stream:
                stream.raise_for_status()
                self._open.set()
                name = ""
                for line in stream.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name = value
                    elif field == "data":
                        self._events.put((name, json.loads(value)["data"]))
        except httpx.TransportError:
            return


def main(base_url: str) -> None:
    api = Api(base_url)
    email = f"person-{secrets.token_hex(6)}@example.com"
    password = secrets.token_urlsafe(16)
    signed_up = api.call("POST", "/auth/register", expect=201, json={"email": email, "password": password, "name": "마당"})
    say("signed up", signed_up["user"]["id"])

    recovery_codes = turn_on_two_factors(api, bearer(signed_up), password)
    say("turned on two factors", f"{len(recovery_codes)} recovery codes")

    session = sign_in_with_both(api, email, password, recovery_codes[0])
    say("signed in with both", session["sessionId"])

    headers = bearer(session)
    key = api.call(
        "POST",
        "/api-keys",
        expect=201,
        headers=headers,
        json={"name": "Uploads", "permissions": ["files:read", "files:write", "events:read"]},
    )
    by_key = {"X-API-Key": key["key"]}
    say("made an API key", key["prefix"])

    with Listener(api.http, by_key).listening() as live:
        sent = text_of(TEN_MEGABYTES)
        file = upload_straight_to_the_storage(api, by_key, sent)
        say("uploaded 10 MB straight to the storage", file["id"])
        event = live.next("files.completed")
        require(event["fileId"] == file["id"], "the live event is about another file")
        say("heard of it live", f"{event['fileId']} is {event['status']}")
        require(download(api, by_key, file["id"]) == sent, "what comes back is not what was sent")

        posted = upload_through_the_api(api, by_key, text_of(TEN_MEGABYTES))
        require(live.next("files.completed")["fileId"] == posted["id"], "the live event is about another file")
        say("uploaded 10 MB through the API", posted["id"])

    everything = json.dumps(api.call("GET", "/privacy/export", headers=headers), ensure_ascii=False)
    for expected in (email, file["id"], posted["id"], key["id"], session["sessionId"]):
        require(expected in everything, f"the export lacks {expected}")
    say("exported", f"{len(everything)} characters of JSON")

    erase(api, headers, password)
    say("erased", "nobody can sign in with it any more")


def turn_on_two_factors(api: Api, headers: dict[str, str], password: str) -> list[str]:
    enrolment = api.call("POST", "/auth/two-factor", expect=201, headers=headers, json={"password": password})
    require(enrolment["qrCode"].lstrip().startswith("<"), "there is no QR code")
    authenticator = pyotp.parse_uri(enrolment["otpauthUrl"])
    require(isinstance(authenticator, pyotp.TOTP), "the address is not for an authenticator")
    confirmed = api.call("POST", "/auth/two-factor/confirm", headers=headers, json={"code": authenticator.now()})
    codes: list[str] = confirmed["recoveryCodes"]
    return codes


def sign_in_with_both(api: Api, email: str, password: str, code: str) -> Any:
    """The confirmation has used up the authenticator's present code: the second factor is a recovery code here."""
    asked = api.call("POST", "/auth/login", json={"email": email, "password": password})
    require(asked["twoFactorRequired"] and "accessToken" not in asked, "the password alone was enough")
    return api.call("POST", "/auth/login/two-factor", json={"challenge": asked["challenge"], "code": code})


def upload_straight_to_the_storage(api: Api, headers: dict[str, str], content: bytes) -> Any:
    asked = api.call(
        "POST",
        "/files/uploads",
        expect=201,
        headers=headers,
        json={
            "filename": "ten-megabytes.txt",
            "contentType": "text/plain",
            "size": len(content),
            "purpose": "attachment",
            "sha256": hashlib.sha256(content).hexdigest(),
        },
    )
    upload = asked["upload"]
    if upload["fields"]:
        form = {"data": upload["fields"], "files": {"file": ("ten-megabytes.txt", content, "text/plain")}}
    else:
        form = {"content": content}
    stored = httpx.request(upload["method"], upload["url"], headers=upload["headers"], timeout=PATIENCE, **form)
    require(stored.is_success, f"the storage answered {stored.status_code}")
    return api.call("POST", f"/files/{asked['file']['id']}/complete", headers=headers)


def upload_through_the_api(api: Api, headers: dict[str, str], content: bytes) -> Any:
    form = {"data": {"purpose": "attachment"}, "files": {"file": ("ten-more.txt", content, "text/plain")}}
    return api.call("POST", "/files", expect=201, headers=headers, **form)


def download(api: Api, headers: dict[str, str], file_id: str) -> bytes:
    link = api.call("GET", f"/files/{file_id}/url", headers=headers)
    answer = httpx.get(link["url"], timeout=PATIENCE)
    require(answer.is_success, f"the storage answered {answer.status_code}")
    return answer.content


def erase(api: Api, headers: dict[str, str], password: str) -> None:
    """With the password for proof; the status is read by a token of its own, for all others end at once."""
    erasure = api.call("DELETE", "/privacy/me", expect=202, headers=headers, json={"confirm": True, "password": password})
    require(api.http.get("/auth/me", headers=headers).status_code == httpx.codes.UNAUTHORIZED, "the session goes on")
    deadline = time.monotonic() + PATIENCE
    by_token = {"Authorization": f"Bearer {erasure['token']}"}
    while api.call("GET", f"/privacy/erasures/{erasure['id']}", headers=by_token)["status"] != "succeeded":
        require(time.monotonic() < deadline, f"the erasure was not done within {PATIENCE:g} seconds")
        time.sleep(0.2)


def text_of(size: int) -> bytes:
    return os.urandom(size // 2).hex().encode()


def bearer(signed_in: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {signed_in['accessToken']}"}


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)


def say(what: str, detail: str) -> None:
    print(f"{what}: {detail}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
