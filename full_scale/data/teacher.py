"""A stronger model on a server with OpenAI's chat completions: one request, and what its failure means.

The client is httpx itself, not the hub's: that one refuses every server where HF_HUB_OFFLINE is set.
"""

import asyncio
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

FATAL = {
    401: "refuses the key in the environment variable {key}",
    403: "does not allow this key to use the model",
    404: "does not know the address or the model",
}
PASSING = {408, 409, 425, 429}
"""Besides all from 500 on: the server may answer the same request later."""

LONGEST_REPLY = 32 * 2**20
"""Bytes that are read of a reply; it may have no end."""

LONGEST_WAIT = 60.0
"""Seconds before a repetition, whatever the server asks for."""

_LONGEST_REASON = 300
_SHORTEST_KEY = 8  # a shorter one may stand in any text by chance


class ServerError(ValueError):
    """The server refuses all requests, so that there is no use in going on."""


class RequestError(Exception):
    """One request failed.

    Args:
        reason: Why, on one line, without the key.
        retry: Whether the same request may succeed later.
        wait: Seconds that the server asks for.
        reached: Whether a server answered at all.
    """

    def __init__(self, reason: str, *, retry: bool, wait: float = 0.0, reached: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.retry, self.wait, self.reached = reason, retry, wait, reached


@dataclass(frozen=True, kw_only=True)
class Server:
    """Who is asked, and how.

    Args:
        base_url: Address of the API, such as "http://localhost:8000/v1".
        model: Its name there.
        key_variable: Environment variable that holds the key; unset for a server that needs none.
        temperature: Of the sampling.
        max_tokens: Longest response, tokens.
        seconds: Longest wait for one response, from the first byte that is sent to the last that is read.
        retries: How often a request that failed for a passing reason is made again.
        pause: Seconds before the first repetition; doubled each time, up to a minute, and varied at random.

    Raises:
        ValueError: The address, a number or the key cannot be used.
    """

    base_url: str
    model: str
    key_variable: str = "EXPERT_API_KEY"
    temperature: float = 0.7
    max_tokens: int = 4096
    seconds: float = 300.0
    retries: int = 6
    pause: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("temperature", 0.0), ("seconds", 0.001), ("retries", 0), ("pause", 0.0)):
            value = getattr(self, name)
            if not least <= value < math.inf:
                raise ValueError(f"{name}={value}: expected at least {least:g}. Fix: --{name} {max(least, 1):g}")
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL as error:
            raise ValueError(f"base_url={self.base_url!r:.80}: {error}. Fix: http://HOST:8000/v1") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"base_url={self.base_url!r:.80}: expected an address. Fix: http://HOST:8000/v1")
        if not (self.key.isascii() and self.key.isprintable()):
            raise ValueError(
                f"key_variable={self.key_variable}: the key has a character that no header can hold. Fix: copy it again"
            )

    @property
    def key(self) -> str:
        """The key; empty where none is set."""
        return os.environ.get(self.key_variable, "").strip()

    @property
    def address(self) -> str:
        """Where completions are asked for."""
        return f"{self.base_url.rstrip('/').removesuffix('/chat/completions')}/chat/completions"

    def without_key(self, text: str) -> str:
        """A text of the server's, which may repeat the key that it was sent."""
        return text.replace(self.key, "***") if len(self.key) >= _SHORTEST_KEY else text

    def client(self) -> httpx.AsyncClient:
        """A connection to the server; the caller closes it.

        Returns:
            A client that sends the key, or "none": no token of this machine is ever sent in its place.
        """
        headers = {"Authorization": f"Bearer {self.key or 'none'}"}
        return httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(self.seconds), limits=httpx.Limits())


async def complete(
    client: httpx.AsyncClient, server: Server, messages: Sequence[Mapping[str, Any]]
) -> tuple[str, bool]:
    """One response; thoughts that come apart from it are put in front.

    Args:
        client: From :meth:`Server.client`.
        server: Who is asked.
        messages: The conversation.

    Returns:
        The text, and whether it was cut off at `max_tokens`.

    Raises:
        RequestError: This request failed.
        ServerError: The server will refuse every request.
    """
    asked: dict[str, Any] = {"model": server.model, "messages": messages}
    asked |= {"temperature": server.temperature, "max_tokens": server.max_tokens}
    try:
        async with (
            asyncio.timeout(server.seconds),  # of the whole reply: httpx's own limit is one of each byte's
            client.stream("POST", server.address, json=asked) as reply,
        ):
            content = await _content(reply)
    except TimeoutError as error:
        raise RequestError(f"no whole reply within {server.seconds:g} s", retry=True) from error
    except httpx.HTTPError as error:
        reason = server.without_key(_line(f"{type(error).__name__}: {error}"))
        reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
        raise RequestError(reason, retry=True, reached=reached) from error
    if not reply.is_success:
        raise _refusal(reply, content, server)
    return _response(content, server)


async def _content(reply: httpx.Response) -> bytes:
    content = b""
    async for part in reply.aiter_bytes():
        content += part
        if len(content) > LONGEST_REPLY:
            raise RequestError(f"the reply is longer than {LONGEST_REPLY} bytes", retry=False)
    return content


def _refusal(reply: httpx.Response, content: bytes, server: Server) -> Exception:
    said = server.without_key(_line(_reason(content)))
    status = reply.status_code
    if status in FATAL:
        meaning = FATAL[status].format(key=server.key_variable)
        return ServerError(f"{server.base_url} {meaning} ({server.model}){f': {said}' if said else ''}")
    reason = f"HTTP {status}{f': {said}' if said else ''}"
    retry = status >= 500 or status in PASSING
    return RequestError(reason, retry=retry, wait=retry_after(reply.headers.get("Retry-After", "")))


def _reason(content: bytes) -> str:
    """What the server says, in one of the usual places of a JSON object, or as text."""
    text = content[:100_000].decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        said = json.loads(text)
        for name in ("error", "message", "detail"):
            while isinstance(said, dict) and name in said:
                said = said[name]
        return said if isinstance(said, str) else json.dumps(said)
    return text


def _line(text: str) -> str:
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]} ..."


def retry_after(text: str) -> float:
    """The seconds that a server asks to wait.

    Args:
        text: The header "Retry-After": seconds, or a date.

    Returns:
        From 0, also for anything that is neither, to :data:`LONGEST_WAIT`.

    >>> retry_after("1.5"), retry_after("soon"), retry_after("-1"), retry_after("1e9")
    (1.5, 0.0, 0.0, 60.0)
    """
    seconds = 0.0
    try:
        seconds = float(text)
    except ValueError:
        with suppress(ValueError, TypeError, OverflowError):
            date = parsedate_to_datetime(text)
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else 0.0


def _response(content: bytes, server: Server) -> tuple[str, bool]:
    try:
        choice = json.loads(content)["choices"][0]
        message = choice["message"]
        text, thoughts = _text(message.get("content")), message.get("reasoning_content") or message.get("reasoning")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError("the reply is no chat completion", retry=True) from error
    if isinstance(thoughts, str) and "<think>" not in text:
        text = f"<think>{thoughts}</think>{text}"
    whole = text.encode("utf-8", "replace").decode()  # JSON can spell half a character, which no file can hold
    return server.without_key(whole), choice.get("finish_reason") == "length"


def _text(content: object) -> str:
    """A message's text: a string, or parts of which some are text."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if not isinstance(content, str | None):
        raise TypeError(f"expected text, got {type(content).__name__}")
    return content or ""
