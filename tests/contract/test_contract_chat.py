"""Chat over real HTTP: what Slack and Discord get, what each of their refusals means, and that the address stays secret."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.fake_chat import FakeDiscord, FakeSlack
from madang.adapters.discord import mapping as discord_mapping
from madang.adapters.discord.chat import DiscordChat
from madang.adapters.discord.settings import DiscordSettings
from madang.adapters.slack import mapping as slack_mapping
from madang.adapters.slack.chat import SlackChat
from madang.adapters.slack.settings import SlackSettings
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.ports.chat import ChatField, ChatPoster, ChatRequest, ChatTone
from madang.ports.context import ProviderContext
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unavailable,
)
from madang.ports.secret import Secret

CHAT = ChatRequest("결제 실패율이 10%를 넘었습니다.", "chat-1", fields=[ChatField("rate", "12%")])
MENTIONS = "<!channel> <@U1> @everyone & *bold* [a](http://x) 1 < 2 > 0"


@dataclass
class Place:
    """A platform on this machine, and the provider that posts to it."""

    server: Any
    provider: ChatPoster
    address: str


PLATFORMS: dict[str, tuple[Any, Any, Any]] = {
    "slack": (FakeSlack, SlackChat, SlackSettings),
    "discord": (FakeDiscord, DiscordChat, DiscordSettings),
}


@pytest.fixture(params=PLATFORMS)
async def place(request: pytest.FixtureRequest, context: ProviderContext) -> AsyncIterator[Place]:
    fake, provider_type, settings = PLATFORMS[request.param]
    with serving(fake()) as server:
        provider = provider_type(settings(Secret(server.webhook)), context)
        yield Place(server, provider, server.webhook)
        await provider.close()


@pytest.fixture
async def slack(context: ProviderContext) -> AsyncIterator[Place]:
    with serving(FakeSlack()) as server:
        provider = SlackChat(SlackSettings(Secret(server.webhook)), context)
        yield Place(server, provider, server.webhook)
        await provider.close()


@pytest.fixture
async def discord(context: ProviderContext) -> AsyncIterator[Place]:
    with serving(FakeDiscord()) as server:
        provider = DiscordChat(DiscordSettings(Secret(server.webhook)), context)
        yield Place(server, provider, server.webhook)
        await provider.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fields": [ChatField("n", "x" * 2001)]}, "too_long"),
        ({"title": "x" * 4097}, "too_long"),
        ({"title": "x", "link": "javascript:alert(1)"}, "invalid_request"),
        ({"title": "x", "link": "https://a.example/ b"}, "invalid_request"),
        ({"link": "https://a.example"}, "invalid_request"),
        ({"text": "half a character: \ud83d"}, "invalid_request"),
        ({"extra": {"username": object()}}, "invalid_request"),
    ],
)
async def test_a_bad_message_is_rejected_before_it_leaves(place: Place, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as rejected:
        await place.provider.post(replace(CHAT, **change))
    assert rejected.value.reason == reason
    assert place.server.arrived == []


@pytest.mark.parametrize("tone", ChatTone)
@pytest.mark.parametrize("link", [None, "https://a.example/x?a=1&b=<2>|3"])
async def test_the_longest_message_of_control_characters_is_taken(place: Place, tone: ChatTone, link: str | None) -> None:
    text = "&<>*_" * (place.provider.capabilities.max_length // 5)
    message = ChatRequest(text, "k", title="A <title> & more", link=link, tone=tone, fields=[ChatField("<a>", "&b")])
    await place.provider.post(message)
    assert len(place.server.posted) == 1


async def test_a_long_title_is_shown_in_another_place(place: Place) -> None:
    await place.provider.post(replace(CHAT, title="&*" * 150))
    assert len(place.server.posted) == 1


async def test_a_text_alone_that_grows_by_escaping_is_taken(discord: Place) -> None:
    await discord.provider.post(ChatRequest("*" * 2000, "k"))
    assert discord.server.posted[0]["embeds"][0]["description"] == "\\*" * 2000


@pytest.mark.parametrize("tone", slack_mapping.COLOURS)
async def test_slack_shows_the_tone_as_a_colour(slack: Place, tone: ChatTone) -> None:
    await slack.provider.post(replace(CHAT, tone=tone))
    assert [each["color"] for each in slack.server.posted[0]["attachments"]] == [slack_mapping.COLOURS[tone]]


@pytest.mark.parametrize("toned", [{}, {"tone": next(iter(slack_mapping.COLOURS))}, {"link": "https://a.example/"}])
async def test_slack_takes_no_title_that_its_marks_make_too_long(slack: Place, toned: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        await slack.provider.post(replace(CHAT, title="<" * 751, **toned))
    assert refused.value.reason == "too_long"
    assert not slack.server.arrived


async def test_slack_gets_no_mention_and_no_link_out_of_a_text(slack: Place) -> None:
    await slack.provider.post(ChatRequest(MENTIONS, "k", title="<!here>", fields=[ChatField("<!here>", "<@U1>")]))
    [payload] = slack.server.posted
    assert not re.search(r"<[!@#]", str(payload))
    assert payload["text"] == "&lt;!here&gt;\n&lt;!channel&gt; &lt;@U1&gt; @everyone &amp; *bold* [a](http://x) 1 &lt; 2 &gt; 0"
    assert [block["type"] for block in payload["blocks"]] == ["header", "section", "section"]
    assert payload["blocks"][1]["text"]["type"] == "plain_text"


async def test_slack_shows_a_linked_title_that_cannot_break_out(slack: Place) -> None:
    await slack.provider.post(ChatRequest("text", "k", title="a|b>c", link="https://a.example/?q=1&r=<|>"))
    [payload] = slack.server.posted
    words = "<https://a.example/?q=1&amp;r=%3C%7C%3E|a|b&gt;c>"
    assert payload["blocks"][0] == {"type": "section", "text": {"type": "mrkdwn", "text": words}}


async def test_discord_tells_nobody_of_a_message_with_fields_either(discord: Place) -> None:
    await discord.provider.post(CHAT)
    [payload] = discord.server.posted
    assert payload["embeds"]
    assert payload["allowed_mentions"] == {"parse": []}
    assert discord.server.arrived[0].headers["user-agent"] == "madang"


async def test_discord_tells_nobody_and_formats_nothing(discord: Place) -> None:
    await discord.provider.post(ChatRequest(MENTIONS + "\n1. one\n- two\nhttps://a.example/a_b_c", "k"))
    [payload] = discord.server.posted
    assert payload["allowed_mentions"] == {"parse": []}
    assert payload["content"] == (
        "\\<!channel\\> \\<\\@U1\\> \\@everyone & \\*bold\\* \\[a\\](http://x) 1 \\< 2 \\> 0\n1\\. one\n\\- two\n"
        "https://a.example/a_b_c"
    )


SLACK_ROWS = [
    (Reply(400, "invalid_payload"), Rejected, "invalid_request"),
    (Reply(400, "invalid_blocks"), Rejected, "invalid_request"),
    (Reply(400, "invalid_blocks_format"), Rejected, "invalid_request"),
    (Reply(400, "no_text"), Rejected, "invalid_request"),
    (Reply(400, "missing_text_or_fallback_or_attachments"), Rejected, "invalid_request"),
    (Reply(400, "too_many_attachments"), Rejected, "invalid_request"),
    (Reply(400, "user_not_found"), Rejected, "invalid_request"),
    (Reply(400, "something new"), Rejected, "invalid_request"),
    (Reply(404, "channel_not_found"), Rejected, "unknown_channel"),
    (Reply(410, "channel_is_archived"), Rejected, "channel_closed"),
    (Reply(403, "action_prohibited"), Rejected, "channel_closed"),
    (Reply(400, "posting_to_general_channel_denied"), Rejected, "channel_closed"),
    (Reply(404, "no_service"), Misconfigured, None),
    (Reply(404, "no_service_id"), Misconfigured, None),
    (Reply(403, "no_active_hooks"), Misconfigured, None),
    (Reply(404, "no_team"), Misconfigured, None),
    (Reply(403, "team_disabled"), Misconfigured, None),
    (Reply(403, "invalid_token"), Misconfigured, None),
    (Reply(401, "<html>"), Misconfigured, None),
    (Reply(410, "<html>"), Misconfigured, None),
    (Reply(300, "<html>"), Misconfigured, None),
    (Reply(399, "<html>"), Misconfigured, None),
    (Reply(499, "<html>"), Rejected, "invalid_request"),
    (Reply(408, "<html>"), Unavailable, None),
    (Reply(400, "rate_limited"), RateLimited, None),
    (Reply(400, "ratelimited"), RateLimited, None),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, None),
    (Reply(429, "rate_limited", {"retry-after": "30"}), RateLimited, 30.0),
    (Reply(429, "", {"retry-after": "soon"}), RateLimited, None),
    (Reply(500, "rollup_error"), OutcomeUnknown, None),
    (Reply(503, "<html>"), OutcomeUnknown, None),
    (Reply(200, "<html>welcome to the hotel"), OutcomeUnknown, None),
    (Fault.ANSWER_LOST, OutcomeUnknown, None),
]
DISCORD_ROWS = [
    (Reply(404, {"message": "m", "code": 10003}), Rejected, "unknown_channel"),
    (Reply(413, {"message": "m", "code": 40005}), Rejected, "too_long"),
    (Reply(400, {"message": "m", "code": 50006}), Rejected, "invalid_request"),
    (Reply(400, {"message": "m", "code": 50035, "errors": {}}), Rejected, "invalid_request"),
    (Reply(400, {"message": "m", "code": 50083}), Rejected, "channel_closed"),
    (Reply(400, {"message": "m", "code": 160005}), Rejected, "channel_closed"),
    (Reply(400, {"message": "m", "code": 20009}), Rejected, "content_policy"),
    (Reply(400, {"message": "m", "code": 200000}), Rejected, "content_policy"),
    (Reply(400, {"message": "m", "code": 200001}), Rejected, "content_policy"),
    (Reply(400, {"message": "m", "code": True}), Rejected, "invalid_request"),
    (Reply(404, {"message": "m", "code": 10015}), Misconfigured, None),
    (Reply(403, {"message": "m", "code": 50001}), Misconfigured, None),
    (Reply(403, {"message": "m", "code": 50013}), Misconfigured, None),
    (Reply(401, {"message": "m", "code": 50027}), Misconfigured, None),
    (Reply(404, "<html>"), Misconfigured, None),
    (Reply(300, "<html>"), Misconfigured, None),
    (Reply(399, "<html>"), Misconfigured, None),
    (Reply(499, "<html>"), Rejected, "invalid_request"),
    (Reply(408, "<html>"), Unavailable, None),
    (Reply(301, "", {"location": "https://evil.example"}), Misconfigured, None),
    (Reply(429, {"message": "m", "retry_after": 0.65, "global": False}, {"retry-after": "1"}), RateLimited, 0.65),
    (Reply(429, "error code: 1015", {"retry-after": "7"}), RateLimited, 7.0),
    (Reply(429, {"message": "m", "retry_after": -1}), RateLimited, None),
    (Reply(500, {"message": "m", "code": 0}), OutcomeUnknown, None),
    (Reply(500, {"message": "m", "code": 50006}), OutcomeUnknown, None),
    (Reply(502, "<html>"), OutcomeUnknown, None),
    (Reply(200, "not json"), OutcomeUnknown, None),
    (Reply(200, []), OutcomeUnknown, None),
    *((Reply(status, {"id": "7"}), OutcomeUnknown, None) for status in (201, 203, 205)),
    (Fault.ANSWER_LOST, OutcomeUnknown, None),
]


async def check_row(place: Place, reply: Reply | Fault, error: type[PortError], detail: str | float | None) -> None:
    if isinstance(reply, Reply):
        reply = replace(reply, headers={**reply.headers, "x-slack-req-id": "req-1"})
    place.server.next.append(reply)
    with pytest.raises(error) as raised:
        await place.provider.post(CHAT)
    assert type(raised.value) is error
    if isinstance(reply, Reply) and reply.status != 200:
        told = reply.body.get("code") if isinstance(reply.body, dict) else reply.body
        known = (isinstance(told, int) and told > 1) or (isinstance(told, str) and re.fullmatch("[a-z_]+", told))
        assert raised.value.code == str(told if known else reply.status)
        assert raised.value.request_id == ("req-1" if place.provider.name == "slack" else None)
    assert (raised.value.provider, raised.value.operation) == (place.provider.name, "post")
    assert getattr(raised.value, "reason", getattr(raised.value, "retry_after", None)) == detail
    assert len(place.server.arrived) == 1, "nothing is tried twice"


@pytest.mark.parametrize(("reply", "error", "detail"), SLACK_ROWS)
async def test_every_refusal_of_slack_is_one_of_the_taxonomy(
    slack: Place, reply: Reply | Fault, error: type[PortError], detail: str | float | None
) -> None:
    await check_row(slack, reply, error, detail)


def test_every_word_of_slack_has_its_row() -> None:
    told = {row[0].body for row in SLACK_ROWS if isinstance(row[0], Reply)}
    assert {*slack_mapping.REASONS, *slack_mapping.WRONG_ADDRESS} <= told


@pytest.mark.parametrize(("reply", "error", "detail"), DISCORD_ROWS)
async def test_every_refusal_of_discord_is_one_of_the_taxonomy(
    discord: Place, reply: Reply | Fault, error: type[PortError], detail: str | float | None
) -> None:
    await check_row(discord, reply, error, detail)


def test_every_code_of_discord_has_its_row() -> None:
    bodies = [row[0].body for row in DISCORD_ROWS if isinstance(row[0], Reply)]
    told = {body.get("code") for body in bodies if isinstance(body, dict)}
    assert {*discord_mapping.REASONS, *discord_mapping.WRONG_ADDRESS} <= told


async def test_the_id_of_slacks_answer_is_in_the_error(slack: Place) -> None:
    slack.server.next.append(Reply(400, "invalid_payload", {"x-slack-req-id": "req-1"}))
    with pytest.raises(Rejected) as rejected:
        await slack.provider.post(CHAT)
    assert (rejected.value.code, rejected.value.request_id) == ("invalid_payload", "req-1")


async def test_a_check_that_fails_changed_nothing_and_tells_the_code(place: Place) -> None:
    for reply, error, code in ((Reply(500, "<html>"), Unavailable, "500"), (Reply(404, "<html>"), Misconfigured, "404")):
        place.server.next.append(reply)
        with pytest.raises(error) as raised:
            await place.provider.check()
        assert (type(raised.value), raised.value.code, raised.value.operation) == (error, code, "check")


async def test_a_closed_poster_posts_nothing_more(place: Place) -> None:
    await place.provider.close()
    with pytest.raises(RuntimeError, match="closed"):
        await place.provider.post(CHAT)
    assert place.server.arrived == []


async def test_a_posted_message_counts_as_posted_also_when_its_id_cannot_be_read(discord: Place) -> None:
    discord.server.next.extend([Reply(204), Reply(200, {"id": 7, "timestamp": "yesterday"})])
    receipts = [await discord.provider.post(CHAT) for _ in range(2)]
    assert [each.id for each in receipts] == [None, None]


@pytest.mark.parametrize("settings", [SlackSettings, DiscordSettings])
@pytest.mark.parametrize(
    "address",
    [
        "",
        "hooks.example/webhooks/x",
        "http://hooks.example/webhooks/x",
        "https://",
        "https://hooks.example",
        "https://[/webhooks/x",
        "https://hooks.example/webhooks/x\n",
        "https://hooks.example/webhooks/x y",
    ],
)
def test_an_address_that_is_no_webhook_is_refused_without_being_repeated(settings: Any, address: str) -> None:
    with pytest.raises(ValueError, match=r"^webhook_url is not an address with https:// and ") as refused:
        settings(Secret(address))
    assert "hooks.example" not in str(refused.value)


@given(st.text(min_size=1, max_size=400))
def test_escaping_keeps_every_character_and_leaves_no_control(text: str) -> None:
    slack = slack_mapping.escaped(text)
    assert not re.search(r"[<>]", slack)
    assert slack.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


@given(st.text(alphabet="ab \n*_~`|<>@#-[]()\\19.", max_size=60))
def test_discord_shows_the_text_as_it_was_written(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", discord_mapping.escaped(text)) == text
