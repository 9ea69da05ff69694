"""Conformance of a picture model."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Final

import pytest

from madang.plugins.conformance.keys import KeyedConformance
from madang.plugins.conformance.pictures import JPEG, PNG
from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply, serving
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import Stage, not_found, raised
from madang.plugins.conformance.suite import STRANDED, Read
from madang.plugins.conformance.text_model import holds
from madang.plugins.conformance.webhooks import believed, forgeries
from madang.ports.errors import Rejected, Unavailable, Unsupported
from madang.ports.image_model import ImageModel, PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.provider import ProviderKind
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

REQUEST: Final = PictureRequest("자연스러운 인물 사진, 부드러운 빛 — “portrait”", "picture-1", 40, timeout=20.0)
ANNOUNCED: Final = "https://madang.example/webhooks/1"
STRANGE_IDS: Final = ("../account", "with a space/and?query#x", "")
NO_FILES: Final = ("", "file:///etc/passwd", "ftp://127.0.0.1/a.png", "no address at all")


@dataclass(frozen=True, slots=True)
class AskedOfPainter:
    """What a request asked of the remote model, read from the provider's own protocol. None: it did not say."""

    prompt: str
    seed: int | None = None
    picture: bytes | None = None
    count: int | None = None
    webhook_url: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    """The whole body, to look for what `extra` passes through."""


class FileHost(RemoteService):
    """Where finished pictures wait: another host than the provider's own, which must never see our key."""

    def __init__(self) -> None:
        super().__init__()
        self.address = f"{self.url}/files/1/a%20picture.png?signed=yes"

    def answer(self, request: Arrived) -> Reply:
        return Reply(200, PNG, {"content-type": "image/png"}) if request.path.startswith("/files/1/") else Reply(404, "gone")


class ImageModelConformance(KeyedConformance):
    """`states` are the provider's words for what became of a prediction; the remote's `becomes(id, word)` makes it so.

    With a remote side, give `asked_of`, `refusal` and `extra`; `finish` unless it works `at_once`, else `made`; and
    `announcement` where there are webhooks.
    """

    kind = ProviderKind.IMAGE_MODEL
    operation = "start"
    at_once: ClassVar[bool] = False
    """Whether `start` answers the finished prediction."""
    fetches: ClassVar[bool] = True
    """Whether a prediction can be asked for by its id later: one that is made at once may leave nothing to ask for."""
    states: ClassVar[Mapping[str, PredictionStatus]] = {}
    unknown_id: ClassVar[str] = "prediction0unknown0to0anybody"
    """An id in the provider's form that belongs to no prediction."""
    extra: ClassVar[Mapping[str, Any]] = {}
    """Something that the model takes and the port does not name, as it must arrive."""
    refusals: ClassVar[Sequence[str]] = ("content_policy", "invalid_request")
    """The reasons that `refusal` has an answer for."""
    signature_headers: ClassVar[Sequence[str]] = ("webhook-id", "webhook-timestamp", "webhook-signature")
    """What a webhook's signature needs."""

    def asked_of(self, request: Arrived) -> AskedOfPainter:
        """Read a request for a prediction that reached the stand-in."""
        raise NotImplementedError(f"{type(self).__name__} has no asked_of(request): it reads your provider's protocol")

    def refusal(self, reason: str) -> Reply:
        """The provider's own answer for a request that it refuses for this reason."""
        raise NotImplementedError(
            f"{type(self).__name__} has no refusal(reason): answer as your provider does, or cut refusals"
        )

    def finish(self, remote: Any, prediction_id: str, addresses: Sequence[str]) -> None:
        """The prediction succeeds with pictures at these addresses."""
        raise NotImplementedError(f"{type(self).__name__} has no finish(remote, prediction_id, addresses)")

    def made(self, remote: Any) -> Sequence[bytes]:
        """The pictures that the remote side made last, in their order."""
        raise NotImplementedError(f"{type(self).__name__} has no made(remote)")

    def announcement(self, remote: Any, prediction_id: str, signed_at: datetime) -> WebhookRequest:
        """The genuine webhook of this prediction as it stands, signed at this time and received now."""
        raise NotImplementedError(f"{type(self).__name__} has no announcement(remote, prediction_id, signed_at)")

    async def act(self, provider: ImageModel, key: str, timeout: float = 20.0) -> Prediction:
        return await provider.start(replace(REQUEST, idempotency_key=key, timeout=timeout))

    async def reads(self, provider: ImageModel) -> Mapping[str, Read]:
        questions: dict[str, Read] = dict(await super().reads(provider))
        if self.fetches:
            started = await self.act(provider, "key-asked")
            questions["fetch"] = lambda: provider.fetch(started.id)
        if provider.capabilities.finds_by_key:
            questions["find"] = lambda: provider.find("key-asked")
        return questions

    @must("Answer the provider's id, and PENDING or RUNNING until the provider itself says that it succeeded.")
    async def test_what_is_started_goes_on_until_it_has_its_pictures(self, stage: Stage, provider: ImageModel) -> None:
        started = await provider.start(REQUEST)
        assert started.id
        assert started.model
        if self.at_once:
            assert (started.status, len(started.pictures)) == (PredictionStatus.SUCCEEDED, 1)
            return
        assert started.status in (PredictionStatus.PENDING, PredictionStatus.RUNNING)
        assert not started.pictures
        with self._finished(stage, started) as files:
            ended = await provider.fetch(started.id)
            assert (ended.id, ended.status, ended.error) == (started.id, PredictionStatus.SUCCEEDED, None)
            assert [picture.reference for picture in ended.pictures] == [files.address]
            assert ended.pictures[0].media_type.startswith("image/")

    @must("Send prompt, seed, count and the photo's bytes as they are; a seed of 0 is a seed.")
    async def test_the_wish_reaches_the_model_as_it_is(self, stage: Stage, provider: ImageModel) -> None:
        able, remote = provider.capabilities, self._remote(stage)
        photo = Picture(JPEG) if able.edits_pictures else None
        await provider.start(replace(REQUEST, picture=photo, count=able.max_count, seed=0))
        asked = self.asked_of(remote.acting[-1])
        assert asked.prompt == REQUEST.prompt
        assert asked.picture == (JPEG if photo else None)
        assert asked.seed == (0 if able.seed else None)
        assert able.max_count == 1 or asked.count == able.max_count
        assert asked.webhook_url is None

    @must("Refuse fewer than one picture, and more than capabilities.max_count, before anything is bought.")
    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    async def test_a_count_beyond_the_capabilities_buys_nothing(self, stage: Stage, provider: ImageModel, beyond: int) -> None:
        count = provider.capabilities.max_count + 1 if beyond > 0 else beyond
        await raised(self.name, "start", provider.start(replace(REQUEST, count=count)), (Rejected, Unsupported))
        assert stage.service is None or not stage.service.acting

    @must("Raise Unsupported for a photo where edits_pictures is False; never make a picture without it.")
    async def test_a_photo_is_used_or_refused(self, provider: ImageModel) -> None:
        request = replace(REQUEST, picture=Picture(JPEG))
        if provider.capabilities.edits_pictures:
            assert (await provider.start(request)).id
        else:
            await raised(self.name, "start", provider.start(request), (Unsupported,))

    @must("Merge PictureRequest.extra into what is sent, and say in the suite's `extra` what the model takes.")
    async def test_what_the_port_does_not_name_is_passed_through(self, stage: Stage, provider: ImageModel) -> None:
        remote = self._remote(stage)
        await provider.start(replace(REQUEST, extra=self.extra))
        assert self.extra
        assert holds(self.asked_of(remote.acting[-1]).document, self.extra)

    @must("Map the provider's refusals to Rejected with the port's neutral reasons, and repeat nothing of the prompt.")
    async def test_a_refused_request_is_rejected_with_its_reason(self, stage: Stage, provider: ImageModel) -> None:
        remote = self._remote(stage)
        for reason in self.refusals:
            remote.next.append(self.refusal(reason))
            error = await raised(self.name, "start", provider.start(REQUEST), (Rejected,))
            assert getattr(error, "reason", "") == reason
            assert REQUEST.prompt not in str(error)

    @must("Map each of the provider's states by a table; one that is not in it is PENDING, never SUCCEEDED or FAILED.")
    async def test_each_state_of_the_provider_has_its_status(self, stage: Stage, provider: ImageModel) -> None:
        remote, started = await self._running(stage, provider)
        assert PredictionStatus.FAILED in self.states.values(), "say in `states` which words of the provider mean what"
        for word, status in {**self.states, "a-state-to-come": PredictionStatus.PENDING}.items():
            if status is PredictionStatus.SUCCEEDED:
                continue
            remote.becomes(started.id, word)
            now = await provider.fetch(started.id)
            assert now.status is status, f"{word!r} means {status}"
            assert bool(now.error) == (status is PredictionStatus.FAILED), f"{word!r}: error says why it failed"
            assert not now.pictures

    @must("A success without pictures is none: FAILED with an error, or PENDING.")
    async def test_a_success_without_pictures_is_none(self, stage: Stage, provider: ImageModel) -> None:
        remote, started = await self._running(stage, provider)
        self.finish(remote, started.id, [])
        assert (await provider.fetch(started.id)).status in (PredictionStatus.FAILED, PredictionStatus.PENDING)

    @must('Raise Rejected(reason="not_found") for an id that the provider does not know, and ask for none that it cannot give.')
    @pytest.mark.parametrize("strange", [None, *STRANGE_IDS])
    async def test_an_unknown_id_is_not_found(self, stage: Stage, provider: ImageModel, strange: str | None) -> None:
        await not_found(stage, "fetch", provider.fetch(self.unknown_id if strange is None else strange))

    @must("Cancel at the provider and answer what it says then; one that ended is answered as it ended; else Unsupported.")
    async def test_cancelling_stops_what_runs_and_leaves_what_ended(self, stage: Stage, provider: ImageModel) -> None:
        started = await provider.start(REQUEST)
        if not provider.capabilities.cancels:
            await raised(self.name, "cancel", provider.cancel(started.id), (Unsupported,))
            return
        if not self.at_once:
            assert (await provider.cancel(started.id)).id == started.id
            assert (await provider.fetch(started.id)).status is PredictionStatus.CANCELLED
            started = await provider.start(replace(REQUEST, idempotency_key="picture-2"))
        with self._finished(stage, started):
            ended = await provider.cancel(started.id)
            assert (ended.id, ended.status) == (started.id, PredictionStatus.SUCCEEDED)

    @must("Download the file's bytes as they are, and tell its type.")
    async def test_a_finished_picture_is_downloaded_whole(self, stage: Stage, provider: ImageModel) -> None:
        started = await provider.start(REQUEST)
        with self._finished(stage, started):
            ended = started if self.at_once else await provider.fetch(started.id)
            picture = await provider.download(ended.pictures[0])
        if not self.at_once:
            assert (picture.data, picture.media_type) == (PNG, "image/png")
        elif stage.service is not None:
            assert picture.data == self.made(stage.service)[0]
        assert picture.data
        assert picture.media_type.startswith("image/")

    @must("Send the key to the provider's own address only: files wait at other hosts.")
    async def test_the_key_is_never_sent_to_the_host_of_the_files(self, stage: Stage, provider: ImageModel) -> None:
        async with self._downloading(stage, provider) as (files, picture):
            await provider.download(picture)
            [request] = files.arrived
            assert request.target == picture.reference.removeprefix(files.url), "the address is used as it is"
            seen = f"{request.target} {dict(request.headers)} {request.body!r}"
            assert not [name for name, secret in stage.secrets().items() if secret in seen]
            assert not {"authorization", "cookie"} & set(request.headers)

    @must("Follow no redirect of a file's host: nobody has looked at where it leads.")
    async def test_a_redirect_of_the_files_is_not_followed(self, stage: Stage, provider: ImageModel) -> None:
        async with self._downloading(stage, provider) as (files, picture):
            files.next.append(Reply(302, b"", {"location": f"{self._remote(stage).url}/elsewhere"}))
            await raised(self.name, "download", provider.download(picture), (Unavailable, Rejected))
            assert not any("elsewhere" in request.target for request in self._remote(stage).arrived)

    @must("Count what arrives, and give up on a file that is larger than any picture: Rejected or Unavailable.")
    async def test_a_file_without_end_is_not_kept(self, stage: Stage, provider: ImageModel) -> None:
        piece = bytes(1024 * 1024)
        async with self._downloading(stage, provider) as (files, picture):
            files.next.append(Reply(200, iter(lambda: piece, b""), {"content-type": "image/png"}))
            async with asyncio.timeout(STRANDED):
                await raised(self.name, "download", provider.download(picture), (Rejected, Unavailable))

    @must('A file that is gone is Rejected(reason="not_found"); a host that is away, or breaks off, is Unavailable.')
    async def test_a_file_that_cannot_be_had_is_told_by_the_taxonomy(self, stage: Stage, provider: ImageModel) -> None:
        async with self._downloading(stage, provider) as (files, picture):
            for status in (404, 410):
                files.next.append(Reply(status, "gone"))
                error = await raised(self.name, "download", provider.download(picture), (Rejected,))
                assert getattr(error, "reason", "") == "not_found"
            for fault in (Fault.UNAVAILABLE, Fault.SERVER_ERROR, Fault.ANSWER_LOST, Fault.CUT_OFF):
                files.plan(fault)
                await raised(self.name, "download", provider.download(picture), (Unavailable,))
            assert (await provider.download(picture)).data == PNG

    @must("Take files from the web only, and refuse as Rejected what is no address of a file.")
    @pytest.mark.parametrize("reference", NO_FILES)
    async def test_what_is_no_address_of_a_file_is_refused(self, provider: ImageModel, reference: str) -> None:
        await raised(self.name, "download", provider.download(RemotePicture(reference, "image/png")), (Rejected,))

    @must("Send webhook_url, and read what the provider then announces; else declare webhooks=False and raise Unsupported.")
    async def test_a_genuine_announcement_is_believed(self, stage: Stage, provider: ImageModel) -> None:
        if not provider.capabilities.webhooks:
            with pytest.raises(Unsupported):
                provider.read_webhook(WebhookRequest({}, b"{}", datetime.now(UTC)))
            return
        started = await provider.start(replace(REQUEST, webhook_url=ANNOUNCED))
        if stage.service is not None:
            assert self.asked_of(stage.service.acting[-1]).webhook_url == ANNOUNCED
        with self._finished(stage, started):
            told = provider.read_webhook(self.announcement(stage.service, started.id, datetime.now(UTC)))
            assert (told.id, told.status) == (started.id, PredictionStatus.SUCCEEDED)

    @must("Verify signature, time and shape before believing a word: SignatureInvalid for anything else.")
    async def test_a_forged_or_stale_announcement_is_refused(self, stage: Stage, provider: ImageModel) -> None:
        if not provider.capabilities.webhooks:
            pytest.skip("it does not claim to have webhooks")
        started = await provider.start(REQUEST)
        with self._finished(stage, started):
            sign = partial(self.announcement, stage.service, started.id)
            assert provider.read_webhook(sign(datetime.now(UTC))).id == started.id
            assert not believed(provider.read_webhook, self.name, forgeries(sign, self.signature_headers))

    @must("Close the connection of a call that is cancelled, and let CancelledError through.")
    async def test_a_cancelled_call_gives_its_connection_back(self, stage: Stage, provider: ImageModel) -> None:
        remote = self._remote(stage)
        remote.plan(Fault.SILENT, only=remote.acts)
        call = asyncio.create_task(provider.start(REQUEST))
        assert await asyncio.to_thread(remote.wait_until, lambda: len(remote.acting) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(remote.wait_until, lambda: remote.abandoned == 1)

    def _remote(self, stage: Stage) -> Any:
        if stage.service is None:
            pytest.skip("there is no model outside")
        return stage.service

    async def _running(self, stage: Stage, provider: ImageModel) -> tuple[Any, Prediction]:
        if self.at_once:
            pytest.skip("a prediction never runs: it is made at once")
        return self._remote(stage), await provider.start(REQUEST)

    @contextmanager
    def _finished(self, stage: Stage, started: Prediction) -> Iterator[FileHost]:
        """While the prediction has ended well, and its picture waits at a host of files."""
        with serving(FileHost()) as files:
            if not self.at_once:
                self.finish(stage.service, started.id, [files.address])
            yield files

    @asynccontextmanager
    async def _downloading(self, stage: Stage, provider: ImageModel) -> AsyncIterator[tuple[FileHost, RemotePicture]]:
        _, started = await self._running(stage, provider)
        with self._finished(stage, started) as files:
            yield files, (await provider.fetch(started.id)).pictures[0]
