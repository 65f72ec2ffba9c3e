"""make_experts against a real HTTP server on this machine, which answers right, wrong, and not at all."""

import asyncio
import base64
import contextlib
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import PIL.Image
import pytest

from full_scale import make_experts
from full_scale.data import expert_response, load_problems, making_experts
from full_scale.data import teacher as teacher_module
from full_scale.make_experts import main
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct

SCRIPT = Path(make_experts.__file__)


class Cut:
    """A reply that ends before its announced length."""


class Dripping:
    """A reply of which a byte comes now and then, for ever."""


class Teacher:
    """A chat-completions server; `reply(question, count)` gives a text, a status, bytes, or seconds of silence.

    A pair is a status and what it says.
    """

    def __init__(self, reply, retry_after="0"):
        self.reply, self.retry_after = reply, retry_after
        self.asked, self.requests, self.most = Counter(), [], 0
        self._under_way, self._lock = 0, threading.Lock()
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                question = request["messages"][0]["content"][-1]["text"].split("\n")[0]
                with teacher._lock:
                    teacher.asked[question] += 1
                    teacher._under_way += 1
                    teacher.most = max(teacher.most, teacher._under_way)
                    teacher.requests.append((self.path, self.headers, request))
                try:
                    reply = teacher.reply(question, teacher.asked[question])
                finally:
                    with teacher._lock:
                        teacher._under_way -= 1  # before the answer goes out: the next question may come with it
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client stopped waiting
                    self._answer(reply)

            def _answer(self, reply):
                if isinstance(reply, float):
                    time.sleep(reply)
                    reply = "late"
                status = reply if isinstance(reply, int) else reply[0] if isinstance(reply, tuple) else 200
                reply = reply[1] if isinstance(reply, tuple) else reply
                message = reply if isinstance(reply, dict) else {"role": "assistant", "content": str(reply)}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                completion = {"id": "1", "created": 0, "model": "m", "system_fingerprint": "", "choices": [choice]}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                body = reply if isinstance(reply, bytes) else json.dumps({**completion, "usage": usage}).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", teacher.retry_after)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body) + 10 * isinstance(reply, Cut | Dripping)))
                self.end_headers()
                self.wfile.write(body[:20] if isinstance(reply, Dripping) else body)
                for _ in range(30 if isinstance(reply, Dripping) else 0):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.2)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def solve(question):
    problem = next(one for one in load_problems("rendered", limit=6) if one.question == question)
    return expert_response(problem)


def right(question, _count):
    return solve(question)


def ask(teacher, out, *options, limit=6):
    arguments = ["--base-url", teacher.url, "--model", "m", "--dataset", "rendered", "--limit", str(limit)]
    return main([*arguments, "--out", str(out), "--pause", "0.01", *options])


def lines(out):
    return [json.loads(line) for line in out.read_text().split("\n") if line]


def test_right_answers_become_experts_that_the_loader_reads(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EXPERT_API_KEY", "secret-key")
    out = tmp_path / "new" / "experts.jsonl"
    pair = threading.Barrier(2)

    def right_in_pairs(question, _count):
        pair.wait(timeout=60)
        return solve(question)

    with Teacher(right_in_pairs) as teacher:
        assert ask(teacher, out, "--concurrency", "2") == 0
    problems = load_problems("rendered", limit=6, experts=f"file:{out}")
    assert len(problems) == 6
    assert all(is_correct(problem.solution, problem) for problem in problems)
    assert all(problem.solution.startswith("<think>") for problem in problems)
    assert teacher.most == 2
    path, headers, request = teacher.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret-key"
    assert request["model"] == "m"
    picture, text = request["messages"][0]["content"]
    data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/png;base64,"))
    assert PIL.Image.open(io.BytesIO(data)).size == (112, 112)
    assert "<answer> </answer>" in text["text"]
    written, shown = out.read_text(), capsys.readouterr()
    assert "secret-key" not in written + shown.out + shown.err
    assert "6 of 6 problems have an expert solution" in shown.out


def test_without_a_key_no_token_of_this_machine_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("EXPERT_API_KEY", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Teacher(right) as teacher:
        ask(teacher, tmp_path / "experts.jsonl", limit=1)
    assert teacher.requests[0][1]["Authorization"] == "Bearer none"


def test_wrong_and_malformed_answers_are_counted_and_dropped(tmp_path, capsys):
    first, second = (problem.question for problem in load_problems("rendered", limit=2))

    def reply(question, _count):
        return {first: "<think>t</think><answer>1</answer>", second: "no tags"}.get(question, "") or solve(question)

    out = tmp_path / "experts.jsonl"
    with Teacher(reply) as teacher:
        ask(teacher, out)
        assert "4 of 6 problems have an expert solution\n4 accepted, 1 rejected, 1 malformed, 0 failed" in (
            capsys.readouterr().out
        )
        asked = sum(teacher.asked.values())
        ask(teacher, out)  # nothing is left to do
        assert sum(teacher.asked.values()) == asked
        ask(teacher, out, "--tries", "3")  # two more each for the two
        assert sum(teacher.asked.values()) == asked + 4
    assert "without: train-0-0, train-0-1" in capsys.readouterr().out
    problems = load_problems("rendered", limit=6, experts=f"file:{out}")
    assert [problem.solution is not None for problem in problems] == [False] * 2 + [True] * 4


def test_a_second_try_may_succeed(tmp_path):
    out = tmp_path / "experts.jsonl"
    with Teacher(lambda question, count: "no" if count == 1 else solve(question)) as teacher:
        ask(teacher, out, "--tries", "2")
    assert Counter(line["status"] for line in lines(out)) == {"malformed": 6, "accepted": 6}


MALFORMED = [
    *(b"no JSON", b"{}", b"[]", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": [{"message": 5}]}'),
    *(b'{"choices": [{"message": {"content": 5}}]}', b'{"choices": [{"message": {"content": ["x"]}}]}', b"\xff\xfe"),
    *(b"[" * 100_000, b"", b'{"choices": [{"message": {"content": "<think>t'),
]


@pytest.mark.parametrize(
    "fault", [408, 429, 500, 503, *MALFORMED, 3.0, Cut(), Dripping()], ids=lambda fault: f"{fault!r:.40}"
)
def test_a_passing_fault_is_retried(fault, tmp_path):
    out = tmp_path / "experts.jsonl"
    with Teacher(lambda question, count: fault if count == 1 else solve(question)) as teacher:
        ask(teacher, out, "--seconds", "1", limit=2)
    assert set(teacher.asked.values()) == {2}
    assert {line["status"] for line in lines(out)} == {"accepted"}


def test_a_fault_that_stays_is_a_failure_which_the_next_run_repeats(tmp_path, capsys):
    out = tmp_path / "experts.jsonl"
    with Teacher(lambda question, count: 500 if count <= 3 else solve(question)) as teacher:
        ask(teacher, out, "--retries", "2", limit=2)
        assert [line["error"][:8] for line in lines(out)] == ["HTTP 500"] * 2
        assert "2 x HTTP 500" in capsys.readouterr().out
        ask(teacher, out, "--retries", "2", limit=2)
    assert Counter(line["status"] for line in lines(out)) == {"failed": 2, "accepted": 2}


def test_a_request_that_the_server_does_not_take_is_not_repeated(tmp_path):
    with Teacher(lambda *_: 400) as teacher:
        ask(teacher, tmp_path / "experts.jsonl", limit=1)
    assert set(teacher.asked.values()) == {1}


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "refuses the key in the environment variable EXPERT_API_KEY"), (404, "does not know the address or the")],
)
def test_a_refusal_of_all_requests_ends_the_run(status, message, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERT_API_KEY", "secret-key")
    with Teacher(lambda *_: status) as teacher, pytest.raises(ValueError, match=message) as error:
        ask(teacher, tmp_path / "experts.jsonl")
    assert "secret-key" not in str(error.value)


def test_a_server_that_is_gone_ends_the_run(tmp_path):
    with Teacher(right) as teacher:
        pass
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:\d+/v1 cannot be reached \(ConnectError.*start the server"):
        ask(teacher, tmp_path / "experts.jsonl", "--retries", "0", "--concurrency", "1")
    assert len(lines(tmp_path / "experts.jsonl")) == 1


def test_many_failures_in_a_row_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(making_experts, "GIVE_UP", 3)
    with Teacher(lambda *_: 500) as teacher, pytest.raises(ValueError, match=r"3 requests in a row failed \(HTTP 500"):
        ask(teacher, tmp_path / "experts.jsonl", "--retries", "0")


def test_when_every_request_fails_the_exit_status_is_1_and_the_servers_reason_is_shown_once(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("EXPERT_API_KEY", "secret-key")
    body = {"error": {"message": "context of 4096 tokens\nexceeded; key secret-key", "code": 400}}
    with Teacher(lambda *_: (400, json.dumps(body).encode())) as teacher:
        assert ask(teacher, tmp_path / "experts.jsonl", limit=3) == 1
    shown = capsys.readouterr()
    assert "3 x HTTP 400: context of 4096 tokens exceeded; key ***" in shown.out
    assert (shown.out + shown.err).count("context of 4096") == 1
    assert "error: each of the 3 requests failed" in shown.err
    assert "train with" not in shown.out
    assert "secret-key" not in (tmp_path / "experts.jsonl").read_text() + shown.out + shown.err


@pytest.mark.parametrize("asked", ["0", "soon", "\xb2", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT", "1e400", ""])
def test_no_odd_retry_after_ends_the_run(asked, tmp_path):
    out = tmp_path / "experts.jsonl"
    with Teacher(lambda question, count: 429 if count == 1 else solve(question), retry_after=asked) as teacher:
        assert ask(teacher, out, limit=1) == 0
    assert [line["status"] for line in lines(out)] == ["accepted"]


@pytest.mark.parametrize("odd", ["\ud83d", "\x00", "\u2028\u2029", "\U0001f600", "\r\n\n", '"\\'])
def test_no_odd_character_ends_the_run(odd, tmp_path):
    out = tmp_path / "experts.jsonl"
    with Teacher(lambda question, _: {"role": "assistant", "content": odd + solve(question)}) as teacher:
        ask(teacher, out, limit=2)
        asked = sum(teacher.asked.values())
        ask(teacher, out, limit=2)
    assert len(lines(out)) >= 2
    assert all(line["status"] in ("accepted", "malformed") for line in lines(out))
    assert sum(teacher.asked.values()) == asked


def test_a_response_that_was_cut_off_says_so(tmp_path, capsys):
    completion = {"choices": [{"message": {"content": "<think>t"}, "finish_reason": "length"}]}
    with Teacher(lambda *_: json.dumps(completion).encode()) as teacher:
        assert ask(teacher, tmp_path / "experts.jsonl", limit=2) == 0
    assert "2 x cut off at --max-tokens" in capsys.readouterr().out


def test_an_endless_reply_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher_module, "LONGEST_REPLY", 1000)
    with Teacher(lambda *_: b" " * 5000) as teacher:
        assert ask(teacher, tmp_path / "experts.jsonl", limit=1) == 1
    assert lines(tmp_path / "experts.jsonl")[0]["error"] == "the reply is longer than 1000 bytes"


@pytest.mark.slow
def test_the_hubs_offline_mode_does_not_concern_the_server(tmp_path):
    out = tmp_path / "experts.jsonl"
    with Teacher(right) as teacher:
        command = [sys.executable, str(SCRIPT), "--base-url", teacher.url, "--model", "m", "--dataset", "rendered"]
        done = subprocess.run(
            [*command, "--limit", "1", "--out", str(out)],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, [line["status"] for line in lines(out)]) == (0, ["accepted"]), done.stderr


def test_a_cut_off_line_is_taken_away_in_place(tmp_path):
    out = tmp_path / "experts.jsonl"
    whole = '{"model": "m"}\n' * 3
    out.write_text(whole + '{"model"')
    number = out.stat().st_ino
    assert len(making_experts.read_former(out, "m")) == 3
    assert (out.read_text(), out.stat().st_ino) == (whole, number)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--base-url", "localhost:8000"], "expected an address. Fix: http://HOST:8000/v1"),
        (["--base-url", "ftp://host/v1"], "expected an address"),
        (["--base-url", "http://"], "expected an address"),
        (["--seconds", "0"], "seconds=0.0: expected at least 0.001"),
        (["--seconds", "nan"], "seconds=nan: expected at least"),
        (["--retries", "-1"], "retries=-1: expected at least 0"),
        (["--temperature", "-1"], "temperature=-1.0: expected at least 0"),
        (["--pause", "inf"], "pause=inf: expected at least 0"),
        (["--out", "/proc/nowhere/e.jsonl"], "."),
        (["--columns", "question=q"], "layout rendered has its own"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_asked(flags, message, tmp_path):
    with Teacher(right) as teacher, pytest.raises((ValueError, OSError), match=message):
        ask(teacher, tmp_path / "experts.jsonl", *flags)
    assert not teacher.asked


@pytest.mark.parametrize("key", ["k\u00e9y", "a\nb", "\u200bkey"])
def test_a_key_that_no_request_can_carry_is_refused_without_being_shown(key, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPERT_API_KEY", key)
    with Teacher(right) as teacher, pytest.raises(ValueError, match="EXPERT_API_KEY: the key has a character") as error:
        ask(teacher, tmp_path / "experts.jsonl")
    assert key not in str(error.value)
    monkeypatch.setenv("EXPERT_API_KEY", " padded-key\n")
    with Teacher(right) as teacher:
        ask(teacher, tmp_path / "experts.jsonl", limit=1)
    assert teacher.requests[0][1]["Authorization"] == "Bearer padded-key"


def test_broken_records_are_left_out_with_their_reason(tmp_path):
    rows = [{"question": f"q{number}", "answer": "" if number == 1 else "5"} for number in range(3)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "made" / "experts.jsonl"
    with Teacher(lambda *_: "<think>t</think><answer>5</answer>") as teacher:
        flags = ["--base-url", teacher.url, "--model", "m", "--dataset", str(tmp_path), "--out", str(out)]
        with pytest.raises(ValueError, match=r"the answer is empty.*--skip-broken leaves such records out"):
            main(flags)
        assert main([*flags, "--skip-broken"]) == 0
    assert [line["status"] for line in lines(out)] == ["accepted"] * 2
    assert "the answer is empty" in lines(out.parent / "quarantine.jsonl")[0]["reason"]


def test_thoughts_that_come_apart_are_put_in_front(tmp_path):
    def reply(question, _count):
        thoughts, answer = solve(question).removeprefix("<think>").split("</think>")
        return {"role": "assistant", "content": answer, "reasoning_content": thoughts}

    out = tmp_path / "experts.jsonl"
    with Teacher(reply) as teacher:
        ask(teacher, out, limit=1)
    assert [line["status"] for line in lines(out)] == ["accepted"]
    assert lines(out)[0]["response"].startswith("<think>")


def test_a_line_that_was_cut_off_is_asked_for_again(tmp_path):
    out = tmp_path / "experts.jsonl"
    with Teacher(right) as teacher:
        ask(teacher, out, limit=2)
        content = out.read_bytes()
        out.write_bytes(content[:-20])
        ask(teacher, out, limit=2)
    assert sorted(teacher.asked.values()) == [1, 2]
    assert {line["id"] for line in lines(out)} == {"train-0-0", "train-0-1"}


def test_a_file_of_another_model_is_left_alone(tmp_path):
    out = tmp_path / "experts.jsonl"
    out.write_text(json.dumps({"source": "rendered", "id": "1", "model": "other", "status": "accepted"}) + "\n")
    with (
        Teacher(right) as teacher,
        pytest.raises(ValueError, match="made with model other, not m; choose another --out"),
    ):
        ask(teacher, out)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_there_and_the_same_command_goes_on(tmp_path):
    out = tmp_path / "experts.jsonl"
    command = [sys.executable, str(SCRIPT), "--model", "m", "--dataset", "rendered", "--limit", "6"]
    command += ["--out", str(out), "--concurrency", "1"]
    with Teacher(lambda question, _count: solve(question) if len(teacher.asked) <= 2 else 30.0) as teacher:
        run = subprocess.Popen([*command, "--base-url", teacher.url], stdout=subprocess.PIPE, text=True)
        while len(teacher.asked) < 3 and run.poll() is None:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        shown, _ = run.communicate(timeout=120)
    assert run.returncode == 130, shown
    assert "interrupted: the same command goes on from here" in shown
    assert [line["id"] for line in lines(out)] == ["train-0-0", "train-0-1"]
    with Teacher(right) as teacher:
        ask(teacher, out)
    assert sum(teacher.asked.values()) == 4
    assert len(lines(out)) == 6


def test_a_problem_whose_picture_cannot_be_read_stops_before_it_is_asked(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    problem = Problem(id="1", source="s", question="q", answer="1", images=(tmp_path / "broken.png",))
    server = teacher_module.Server(base_url="http://127.0.0.1:9/v1", model="m")
    with pytest.raises(ValueError, match="cannot read picture"):
        asyncio.run(making_experts.ask(None, server, problem))


@pytest.mark.parametrize("flag", ["--tries", "--concurrency", "--limit", "--max-tokens"])
def test_counts_below_one_are_refused(flag):
    with pytest.raises(ValueError, match=rf"^{flag} 0: must be at least 1, got 0. Fix: {flag} 1\.$"):
        main(["--base-url", "u", "--model", "m", "--dataset", "rendered", "--out", os.devnull, flag, "0"])


def test_the_flags_defaults_are_the_servers():
    flags = {item.name: item.default for item in dataclasses.fields(make_experts.Request)}
    for item in dataclasses.fields(teacher_module.Server):
        assert flags[item.name] == item.default
