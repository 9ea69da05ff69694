"""A web page as one file that needs no server: pictures, styles and scripts inside it, downloads beside it."""

import base64
import re
from collections.abc import Mapping
from html import escape, unescape
from urllib.parse import urljoin, urlsplit

import httpx

_LOADING_TAG = re.compile(r"<(?:img|source|script|link|input)\b[^>]*>", re.IGNORECASE)
_FORM = re.compile(r"<form\b", re.IGNORECASE)
_LOADED = re.compile(r'(?P<name>\b(?:src|href|srcset))="(?P<address>[^"]+)"', re.IGNORECASE)
_LINK = re.compile(r'(?P<before><a\b[^>]*\bhref=)"(?P<address>[^"]+)"', re.IGNORECASE)
_IN_STYLES = re.compile(r"url\((?P<quote>['\"]?)(?P<address>[^'\")]+)(?P=quote)\)")


async def self_contained(client: httpx.AsyncClient, page: httpx.Response, local: Mapping[str, str]) -> str:
    """The page's HTML with everything that it loads inlined. `local` maps the path of an address to a file beside the page.

    Forms stay visible and do nothing: there is nobody to send them to.
    """
    html = page.text
    addresses = {match["address"] for tag in _LOADING_TAG.finditer(html) for match in _LOADED.finditer(tag[0])}
    inlined = {address: await _as_data(client, urljoin(str(page.url), unescape(address))) for address in addresses}

    def inline(tag: re.Match[str]) -> str:
        return _LOADED.sub(lambda found: f'{found["name"]}="{inlined[found["address"]]}"', tag[0])

    def link(found: re.Match[str]) -> str:
        absolute = urljoin(str(page.url), unescape(found["address"]))
        return f'{found["before"]}"{escape(local.get(urlsplit(absolute).path, found["address"]))}"'

    return _FORM.sub("<form inert", _LINK.sub(link, _LOADING_TAG.sub(inline, html)))


async def _as_data(client: httpx.AsyncClient, address: str) -> str:
    if address.startswith("data:"):
        return escape(address)
    response = await client.get(address)
    response.raise_for_status()
    media_type = response.headers.get("content-type", "application/octet-stream").partition(";")[0]
    content = response.content
    if media_type == "text/css":
        content = (await _styles(client, str(response.url), response.text)).encode()
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


async def _styles(client: httpx.AsyncClient, base: str, text: str) -> str:
    """A style sheet with its fonts and pictures inside."""
    addresses = {match["address"] for match in _IN_STYLES.finditer(text)}
    inlined = {address: await _as_data(client, urljoin(base, address)) for address in addresses}
    return _IN_STYLES.sub(lambda found: f'url("{inlined[found["address"]]}")', text)
