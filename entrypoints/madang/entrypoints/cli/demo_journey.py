"""A buyer's way from order to result, by HTTP alone, with the sandbox's checkout page in place of a real one."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx

from madang.entrypoints.cli.demo_phone import Phone, SentSms
from madang.entrypoints.cli.deployment import CliError
from madang.entrypoints.cli.web_forms import submit

PHONE: Final = "010-1234-5678"
_PATIENCE: Final = 120.0
_LOOK_EVERY: Final = 0.2

Progress = Callable[[int, str], None]
"""Hears how far it is, from 0 to 100, and in words."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What the buyer has at the end.

    `page` is the result page as the browser got it; `pictures` are name and content by the path of their address. `invoice` is
    a PDF.
    """

    portrait_id: str
    sms: SentSms
    result_url: str
    page: httpx.Response
    result: Mapping[str, Any]
    pictures: Mapping[str, tuple[str, bytes]]
    archive: bytes
    invoice: bytes


class Buyer:
    """One order. `client` keeps the browser's cookies; `portrait_id` is empty before it is ordered. The SMS goes to `number`,
    and `phone` knows whether it arrived."""

    def __init__(
        self, client: httpx.AsyncClient, phone: Phone, *, number: str = PHONE, language: str, progress: Progress
    ) -> None:
        self.portrait_id = ""
        self._client = client
        self._phone = phone
        self._number = number
        self._language = language
        self._progress = progress
        self._token = ""

    async def go(self, photo: Path) -> Finished:
        """The whole way. Raises `CliError` with the API's own words where a step is refused."""
        checkout_url = await self._order()
        await self._pay(checkout_url)
        await self._give_phone()
        await self._send_photo(photo)
        await self._wait_for("completed", since=30, until=85)
        sms, link = await self._read_sms()
        page = await self._open(link)
        return await self._take_everything(sms, link, page)

    async def _order(self) -> str:
        self._progress(2, "ordering")
        data = await self._api("POST", "/portraits", json={"locale": self._language}, headers={"Idempotency-Key": str(uuid4())})
        self.portrait_id, self._token = data["id"], data["token"]
        return str(data["checkout"]["url"])

    async def _pay(self, checkout_url: str) -> None:
        self._progress(5, "paying at the sandbox's checkout")
        page = right(await self._client.get(checkout_url))
        await submit(self._client, page, wanted=lambda form: ("action", "pay") in form.buttons, button=("action", "pay"))
        await self._wait_for("pending_phone", since=8, until=15)

    async def _give_phone(self) -> None:
        self._progress(18, "giving the phone number")
        await self._api("PUT", self._path("/phone"), json={"phone": self._number})

    async def _send_photo(self, photo: Path) -> None:
        self._progress(22, f"sending {photo.name}")
        content = await asyncio.to_thread(photo.read_bytes)
        await self._api("PUT", self._path("/photo"), files={"photo": (photo.name, content)})

    async def _wait_for(self, status: str, *, since: int, until: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while (portrait := await self._api("GET", self._path()))["status"] != status:
            if portrait["status"] in ("failed", "expired"):
                raise CliError(f"the portrait {portrait['status']}: {portrait.get('failure')}")
            if time.monotonic() > deadline:
                raise CliError(f"the portrait is still {portrait['status']} after {_PATIENCE:.0f} s: is a worker running?")
            made = sum(picture["status"] == "made" for picture in portrait["pictures"])
            words = (
                f"making pictures: {made} of 3" if portrait["status"] == "processing" else "waiting for the payment's webhook"
            )
            self._progress(since + (until - since) * int(portrait["progress"]) // 100, words)
            await asyncio.sleep(_LOOK_EVERY)

    async def _read_sms(self) -> tuple[SentSms, str]:
        """With the link in it; that of the API where nobody but the phone's owner can read it."""
        self._progress(87, "waiting for the SMS")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            sms = await self._phone.received(self.portrait_id)
            if sms is not None:
                return sms, sms.link or str((await self._api("GET", self._path()))["resultUrl"])
            await asyncio.sleep(_LOOK_EVERY)
        raise CliError("no SMS came")

    async def _open(self, link: str) -> httpx.Response:
        self._progress(90, "opening the link and passing the phone check")
        page = right(await self._client.get(link))
        return right(
            await submit(self._client, page, wanted=lambda form: "phone" in form.fields, filled={"phone": self._number})
        )

    async def _take_everything(self, sms: SentSms, link: str, page: httpx.Response) -> Finished:
        self._progress(93, "downloading pictures, report and zip")
        access = await self._api("POST", self._path("/access"), json={"phone": self._number}, token="")
        key = access["resultToken"]
        result = await self._api("GET", self._path("/result"), token=key)
        archive = right(await self._client.get(self._path("/download", api=True), headers=bearer(key)))
        pictures = dict([await self._picture(picture) for picture in result["pictures"]])
        return Finished(self.portrait_id, sms, link, page, result, pictures, archive.content, await self._invoice())

    async def _invoice(self) -> bytes:
        """It was issued moments after the payment."""
        headers = {**bearer(self._token), "Accept": "application/pdf"}
        return right(await self._client.get(self._path("/invoice", api=True), headers=headers)).content

    async def _picture(self, picture: Mapping[str, Any]) -> tuple[str, tuple[str, bytes]]:
        response = right(await self._client.get(picture["full"]["url"]))
        ending = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}[response.headers["content-type"]]
        return response.url.path, (f"picture-{picture['index'] + 1}.{ending}", response.content)

    def _path(self, rest: str = "", *, api: bool = False) -> str:
        return f"{'/api/v1' if api else ''}/portraits/{self.portrait_id}{rest}"

    async def _api(self, method: str, path: str, *, token: str | None = None, **request: Any) -> Any:
        headers = {**request.pop("headers", {}), **bearer(self._token if token is None else token)}
        response = right(await self._client.request(method, f"/api/v1{path}", headers=headers, **request))
        return response.json()["data"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def right(response: httpx.Response) -> httpx.Response:
    """The answer, if it is one. Raises `CliError` with what the API says."""
    if response.is_success:
        return response
    request = f"{response.request.method} {response.request.url.path}"
    try:
        said = response.json()["error"]
        raise CliError(f"{request} answered {response.status_code} {said['code']}: {said['message']}")
    except (ValueError, KeyError, TypeError):
        raise CliError(f"{request} answered {response.status_code}") from None
