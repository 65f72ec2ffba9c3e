"""Experts by a stronger model, piece by piece; whole runs against a server are in test_make_experts.py."""

import asyncio
import base64
import dataclasses
import io
import json

import PIL.Image
import pytest

from full_scale.data import making_experts as module
from full_scale.data.making_experts import ask, make_experts, read_former, report, request_content, verdict
from full_scale.data.teacher import LONGEST_WAIT, RequestError, Server, ServerError
from full_scale.model.prompting import PROMPT_SUFFIX
from full_scale.problems.problem import Problem
from full_scale.problems.ways import Ways

RIGHT, WRONG, LOOSE = (
    "<think>t</think><answer>5</answer>",
    "<think>t</think><answer>6</answer>",
    "<answer>5</answer>",
)
SLEEP = asyncio.sleep
SERVER = Server(base_url="http://localhost:1/v1", model="m", pause=0.0, retries=2)


def problem(number=1):
    return Problem(id=str(number), source="s", question="q", answer="5")


class Replies:
    """What the server answers, one after the other, the last for ever: a text, (text, cut), or an error."""

    def __init__(self, *given):
        self.given, self.asked, self.pauses = list(given), [], []

    async def complete(self, _client, _server, messages):
        await SLEEP(0)  # let go, as a request does
        self.asked.append(messages)
        reply = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, tuple) else (reply, False)

    async def sleep(self, seconds):
        self.pauses.append(seconds)


@pytest.fixture
def answers(monkeypatch):
    def set_up(*given):
        replies = Replies(*given)
        monkeypatch.setattr(module, "complete", replies.complete)
        monkeypatch.setattr(module.asyncio, "sleep", replies.sleep)
        return replies

    return set_up


def failed(retry=True, **options):
    return RequestError("HTTP 500", retry=retry, **options)


def run(problems, out, *, tries=1, server=SERVER):
    return asyncio.run(make_experts(problems, out, server, tries=tries, concurrency=1))


def lines(out):
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_pictures_stand_in_front_of_question_and_instruction():
    white = PIL.Image.new("RGB", (3, 2), "white")
    shown, text = request_content(dataclasses.replace(problem(), images=(white,)))
    assert text == {"type": "text", "text": f"q\n{PROMPT_SUFFIX}"}
    assert shown["type"] == "image_url"
    kind, _, code = shown["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    assert PIL.Image.open(io.BytesIO(base64.b64decode(code))).size == (3, 2)
    assert request_content(problem()) == [text]


@pytest.mark.parametrize(("response", "status"), [(RIGHT, "accepted"), (WRONG, "rejected"), (LOOSE, "malformed")])
def test_verdicts(response, status):
    assert verdict(response, problem()) == status


def test_a_response_that_takes_none_of_the_ways_is_malformed():
    with_ways = dataclasses.replace(problem(), ways=Ways(sound="look", shortcut="guess"))
    assert verdict("<think>look</think><answer>5</answer>", with_ways) == "accepted"
    assert verdict("<think>other</think><answer>5</answer>", with_ways) == "malformed"


def test_a_record_says_who_answered_what(answers):
    replies = answers(RIGHT)
    record = {"source": "s", "id": "1", "model": "m", "status": "accepted", "response": RIGHT}
    assert asyncio.run(ask(None, SERVER, problem())) == record
    assert replies.asked == [[{"role": "user", "content": request_content(problem())}]]
    answers((RIGHT, True))
    assert asyncio.run(ask(None, SERVER, problem())) == {**record, "error": "cut off at --max-tokens"}


def test_a_passing_failure_is_repeated_with_growing_pauses(answers, monkeypatch):
    monkeypatch.setattr(module.random, "uniform", lambda low, high: (low + high) / 2)
    replies = answers(failed(), failed(wait=7.0), RIGHT)
    server = dataclasses.replace(SERVER, pause=1.0)
    assert asyncio.run(ask(None, server, problem()))["status"] == "accepted"
    assert replies.pauses == [1.0, 7.0]
    replies = answers(failed())
    assert asyncio.run(ask(None, dataclasses.replace(server, retries=8), problem()))["status"] == "failed"
    assert replies.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_WAIT, LONGEST_WAIT]


def test_pauses_vary(monkeypatch):
    seen = []
    monkeypatch.setattr(module.random, "uniform", lambda *bounds: seen.append(bounds) or 1.0)
    assert module._pause(dataclasses.replace(SERVER, pause=3.0), 2) == 12.0
    assert seen == [(0.5, 1.5)]


@pytest.mark.parametrize(("error", "asked"), [(failed(), 3), (failed(retry=False), 1)])
def test_a_failure_that_stays_is_a_record_with_its_reason(error, asked, answers):
    replies = answers(error)
    record = asyncio.run(ask(None, SERVER, problem()))
    assert record == {
        **{"source": "s", "id": "1", "model": "m", "status": "failed"},
        **{"response": "", "error": "HTTP 500", "reached": True},
    }
    assert len(replies.asked) == asked


def test_answers_are_appended_and_what_is_accepted_is_not_asked_again(answers, tmp_path):
    out = tmp_path / "e.jsonl"
    replies = answers(RIGHT, WRONG, LOOSE)
    assert run([problem(1), problem(2)], out, tries=2) == {"accepted": 1, "rejected": 1, "malformed": 1}
    assert [(line["id"], line["status"]) for line in lines(out)] == [
        *(("1", "accepted"), ("2", "rejected"), ("2", "malformed")),
    ]
    assert run([problem(1), problem(2)], out, tries=2) == {}
    assert len(replies.asked) == 3
    assert run([problem(1), problem(2)], out, tries=3) == {"malformed": 1}  # one try is left for one problem


def test_a_failed_request_uses_no_try_and_ends_a_problems_turn(answers, tmp_path):
    replies = answers(failed(retry=False))
    assert run([problem()], tmp_path / "e.jsonl", tries=3) == {"failed": 1}
    assert len(replies.asked) == 1
    answers(RIGHT)
    assert run([problem()], tmp_path / "e.jsonl", tries=1) == {"accepted": 1}
    assert "reached" not in lines(tmp_path / "e.jsonl")[0]


def test_twenty_failures_in_a_row_end_a_run_but_not_nineteen(answers, tmp_path):
    problems = [problem(number) for number in range(40)]
    answers(*[failed(retry=False)] * 19, RIGHT, *[failed(retry=False)] * 19, RIGHT)
    assert run(problems, tmp_path / "a.jsonl") == {"failed": 38, "accepted": 2}
    answers(failed(retry=False))
    with pytest.raises(ServerError, match=r"^20 requests in a row failed \(HTTP 500\); run again later\.$"):
        run(problems, tmp_path / "b.jsonl")
    assert len(lines(tmp_path / "b.jsonl")) == 20


def test_a_server_that_was_never_reached_ends_the_run_at_once(answers, tmp_path):
    gone = failed(retry=False, reached=False)
    answers(gone)
    message = r"^http://localhost:1/v1 cannot be reached \(HTTP 500\); start the server, or correct --base-url$"
    with pytest.raises(ServerError, match=message):
        run([problem(1), problem(2)], tmp_path / "a.jsonl")
    answers(RIGHT, gone)
    assert run([problem(1), problem(2)], tmp_path / "b.jsonl") == {"accepted": 1, "failed": 1}


def test_a_file_that_cannot_be_written_is_named(answers, tmp_path):
    answers(RIGHT)
    with pytest.raises(ValueError, match=r"^cannot write .*no.*: No such file or directory; choose another --out$"):
        run([problem()], tmp_path / "no" / "e.jsonl")


def test_text_is_written_as_it_is(answers, tmp_path):
    answers("<think>角</think><answer>5</answer>")
    run([problem()], tmp_path / "e.jsonl")
    assert "角" in (tmp_path / "e.jsonl").read_text(encoding="utf-8")


def test_what_former_runs_wrote(tmp_path):
    out = tmp_path / "e.jsonl"
    assert read_former(out, "m") == []
    out.write_text('{"model": "m", "id": 1}\n{"model": "m", "id": 2}\n{"mod')
    assert read_former(out, "m") == [{"model": "m", "id": 1}, {"model": "m", "id": 2}]
    assert out.read_text() == '{"model": "m", "id": 1}\n{"model": "m", "id": 2}\n'
    out.write_text('{"model": "n"}\n{"model": "k"}\n{"model": "m"}\n')
    with pytest.raises(ValueError, match=r"e.jsonl was made with model k, n, not m; choose another --out\.$"):
        read_former(out, "m")


def test_the_report_counts_and_names(tmp_path):
    def record(number, status, **more):
        return {"source": "s", "id": str(number), "status": status, **more}

    problems = [problem(number) for number in range(13)]
    records = [
        *(record(0, "rejected"), record(0, "accepted"), record(1, "malformed", error="cut off at --max-tokens")),
        *(record(2, "failed", error="HTTP 500"), record(3, "failed", error="HTTP 500")),
        {**record(4, "accepted"), "source": "another"},
    ]
    assert report(problems, records).splitlines() == [
        "1 of 13 problems have an expert solution",
        "1 accepted, 1 rejected, 1 malformed, 2 failed",
        "without: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ...",
        "2 x HTTP 500",
        "1 x cut off at --max-tokens",
    ]
    assert report(problems[:1], records).splitlines() == [
        "1 of 1 problems have an expert solution",
        "1 accepted, 1 rejected, 0 malformed, 0 failed",
    ]
    assert report(problems[1:11], []).splitlines()[-1] == "without: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
    many = [record(1, "failed", error=str(number)) for number in range(7)]
    assert len(report(problems, many).splitlines()) == 3 + 5
