"""What a server's failures mean; requests over a real connection are in test_make_experts.py."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from full_scale.data.teacher import (
    LONGEST_REPLY,
    PASSING,
    RequestError,
    Server,
    ServerError,
    _refusal,
    _response,
    complete,
    retry_after,
)


def server(**changes):
    return Server(**{"base_url": "http://host:1/v1", "model": "m"} | changes)


def test_seconds_to_wait():
    assert [retry_after(text) for text in ("0", "2.5", "61", "-1", "", "x", "nan", "inf", "\u00b2")] == [
        *(0.0, 2.5, 60.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ]
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < retry_after(soon) <= 30
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("given", ["http://host:1/v1", "http://host:1/v1/", "http://host:1/v1/chat/completions"])
def test_the_address_of_completions(given):
    assert server(base_url=given).address == "http://host:1/v1/chat/completions"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 499, 500, 503])
def test_statuses(status):
    error = _refusal(httpx.Response(status, headers={"Retry-After": "7"}), b'{"error": {"message": "so"}}', server())
    if status in (401, 403, 404):
        assert isinstance(error, ServerError)
        assert str(error).endswith("(m): so")
    else:
        assert isinstance(error, RequestError)
        assert (error.reason, error.wait, error.reached) == (f"HTTP {status}: so", 7.0, True)
        assert error.retry == (status >= 500 or status in PASSING)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"message": "a\\nb"}', "a b"),
        (b'{"detail": "d"}', "d"),
        (b"plain", "plain"),
        (b'{"error": "e"}', "e"),
        (b'{"error": {"code": 5}}', '{"code": 5}'),
        (b"\xff", "\ufffd"),
        (b"x" * 301, "x" * 300 + " ..."),
    ],
)
def test_what_a_server_says_is_one_short_line(content, said):
    assert _refusal(httpx.Response(400), content, server()).reason == f"HTTP 400: {said}"
    assert _refusal(httpx.Response(400), b"", server()).reason == "HTTP 400"


def test_the_key_is_taken_out_of_all_that_a_server_says(monkeypatch):
    monkeypatch.setenv("EXPERT_API_KEY", "12345678")
    assert _refusal(httpx.Response(400), b"bad 12345678", server()).reason == "HTTP 400: bad ***"
    assert _response(b'{"choices": [{"message": {"content": "is 12345678"}}]}', server()) == ("is ***", False)
    monkeypatch.setenv("EXPERT_API_KEY", "1234567")
    assert server().without_key("1234567") == "1234567", "so short a key may stand in any text"


def test_thoughts_are_put_in_front_once():
    reply = b'{"choices": [{"message": {"content": "%s", "%s": "t"}, "finish_reason": "%s"}]}'
    assert _response(reply % (b"a", b"reasoning", b"stop"), server()) == ("<think>t</think>a", False)
    assert _response(reply % (b"a", b"reasoning_content", b"length"), server()) == ("<think>t</think>a", True)
    assert _response(reply % (b"<think>a", b"reasoning", b"stop"), server()) == ("<think>a", False)


MESSAGES = [{"role": "user", "content": "q"}]


def completed(answer, **changes):
    """What `complete` gives where a server answers so."""

    async def ask():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await complete(client, server(**changes), MESSAGES)

    return asyncio.run(ask())


def failure(answer, **changes):
    with pytest.raises(RequestError) as error:
        completed(answer, **changes)
    return error.value.reason, error.value.retry, error.value.wait, error.value.reached


def test_a_request_and_its_reply():
    asked = []

    def answer(request):
        asked.append((request.method, str(request.url), json.loads(request.content)))
        return httpx.Response(200, json={"choices": [{"message": {"content": "5"}, "finish_reason": "length"}]})

    assert completed(answer, temperature=0.5, max_tokens=7) == ("5", True)
    body = {"model": "m", "messages": MESSAGES, "temperature": 0.5, "max_tokens": 7}
    assert asked == [("POST", "http://host:1/v1/chat/completions", body)]


def test_failures_of_a_request(monkeypatch):
    monkeypatch.setenv("EXPERT_API_KEY", "12345678")

    def fail(error):
        def answer(request):
            raise error("no 12345678", request=request)

        return answer

    async def late(request):
        await asyncio.sleep(5)

    assert failure(fail(httpx.ReadError)) == ("ReadError: no ***", True, 0.0, True)
    for error in (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol):
        assert failure(fail(error)) == (f"{error.__name__}: no ***", True, 0.0, False)
    assert failure(late, seconds=0.01) == ("no whole reply within 0.01 s", True, 0.0, True)
    assert failure(lambda _: httpx.Response(500, text="so")) == ("HTTP 500: so", True, 0.0, True)
    assert failure(lambda _: httpx.Response(200, text="so")) == ("the reply is no chat completion", True, 0.0, True)
    with pytest.raises(ServerError):
        completed(lambda _: httpx.Response(401))


def test_a_reply_without_end_is_not_read():
    def reply(size):
        return lambda _: httpx.Response(200, content=b" " * size)

    long = f"the reply is longer than {LONGEST_REPLY} bytes"
    assert failure(reply(LONGEST_REPLY + 1)) == (long, False, 0.0, True)
    assert failure(reply(LONGEST_REPLY))[0] == "the reply is no chat completion"


@pytest.mark.parametrize(
    ("name", "least", "below"),
    [("temperature", 0.0, -0.1), ("seconds", 0.001, 0.0009), ("retries", 0, -1), ("pause", 0.0, -1e-9)],
)
def test_each_number_has_its_smallest_value_and_none_is_without_end(name, least, below):
    assert getattr(server(**{name: least}), name) == least
    for value in (below, float("inf"), float("nan")):
        with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
            server(**{name: value})
        assert str(error.value) == f"{name}={value}: expected at least {least:g}. Fix: --{name} 1"


def test_the_key_or_none_is_sent_and_an_address_is_one_of_the_web(monkeypatch):
    monkeypatch.delenv("EXPERT_API_KEY", raising=False)
    assert server().client().headers["Authorization"] == "Bearer none"
    monkeypatch.setenv("EXPERT_API_KEY", " 12345678\n")
    assert server(seconds=7).client().headers["Authorization"] == "Bearer 12345678"
    assert server(seconds=7).client().timeout == httpx.Timeout(7)
    assert server(base_url="https://host").address == "https://host/chat/completions"
    for address in ("ftp://host", "host", "http://"):
        with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
            server(base_url=address)
        assert str(error.value) == f"base_url={address!r}: expected an address. Fix: http://HOST:8000/v1"
