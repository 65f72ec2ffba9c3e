r"""Lets a stronger model write the expert solutions, and keeps those that the verifier accepts.

export EXPERT_API_KEY=...
python full_scale/make_experts.py --base-url https://api.openai.com/v1 --model gpt-4o \
    --dataset FOLDER --out experts.jsonl
python full_scale/train.py --dataset FOLDER --experts file:experts.jsonl

Any server with OpenAI's chat completions will do, such as `vllm serve Qwen/Qwen2.5-VL-72B-Instruct`. Every answer is
appended to the file at once, with its verdict, so that an interrupted run goes on where it stopped: the same command
again asks only for problems that have no accepted solution and were asked fewer than --tries times.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from rich.progress import Progress

from cli import program
from full_scale.data import Quarantine, load_problems
from full_scale.data.quarantine import MOST
from full_scale.data.records import read_jsonl
from full_scale.data.teacher import LONGEST_WAIT, RequestError, Server, ServerError, complete
from full_scale.model.prompting import PROMPT_SUFFIX
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct
from full_scale.verifier.rewards import format_reward

JUDGED = ("accepted", "rejected", "malformed")
"""Verdicts on a response; a "failed" request has none and is made again by the next run."""

GIVE_UP = 20
"""Failed requests in a row that end a run."""


def request_content(problem: Problem) -> list[dict[str, Any]]:
    """The user's turn: the pictures as data, then the question and the paper's instruction.

    Args:
        problem: What is asked.

    Returns:
        Content parts of OpenAI's chat completions.
    """
    pictures = []
    for image in problem.rgb_images():
        content = io.BytesIO()
        image.save(content, "PNG")
        url = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
        pictures.append({"type": "image_url", "image_url": {"url": url}})
    return [*pictures, {"type": "text", "text": f"{problem.question}\n{PROMPT_SUFFIX}"}]


def verdict(response: str, problem: Problem) -> str:
    """What becomes of a response.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        "accepted", "rejected" (the answer is wrong) or "malformed" (not thoughts and answer in their tags).
    """
    if not format_reward(response):
        return "malformed"
    return "accepted" if is_correct(response, problem) else "rejected"


async def ask(client: httpx.AsyncClient, server: Server, problem: Problem) -> dict[str, Any]:
    """One response to one problem; passing failures are retried with growing pauses.

    Args:
        client: Connected to the server.
        server: Who is asked.
        problem: What is asked.

    Returns:
        The record for the file: source, id, model, status, response, and the error of a request that failed or was cut.

    Raises:
        ServerError: The server will refuse every request, or there is none.
    """
    record = {"source": problem.source, "id": problem.id, "model": server.model}
    messages = [{"role": "user", "content": request_content(problem)}]
    for attempt in range(server.retries + 1):
        try:
            response, cut = await complete(client, server, messages)
            short = {"error": "cut off at --max-tokens"} if cut else {}
            return {**record, "status": verdict(response, problem), "response": response, **short}
        except RequestError as error:
            failure = error
        if not failure.retry or attempt == server.retries:
            break
        await asyncio.sleep(max(failure.wait, _pause(server, attempt)))
    return {**record, "status": "failed", "response": "", "error": failure.reason, "reached": failure.reached}


def _pause(server: Server, attempt: int) -> float:
    pause: float = min(LONGEST_WAIT, server.pause * 2.0**attempt) * random.uniform(0.5, 1.5)
    return pause


async def make_experts(
    problems: Sequence[Problem], out: Path, server: Server, *, tries: int, concurrency: int
) -> Counter[str]:
    """Ask for every problem that still needs it, and append the answers to the file.

    Args:
        problems: What is asked.
        out: File of JSON lines; made, or gone on with.
        server: Who is asked.
        tries: Responses for one problem at most.
        concurrency: Requests under way at once.

    Returns:
        How many responses of this run had which status.

    Raises:
        ServerError: The server refuses all requests, or the last twenty failed.
        ValueError: The file was made with another model.
    """
    todo = _unfinished(problems, read_former(out, server.model), tries)
    run = _Run(server, out)
    with run.opened(), Progress(disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("asking", total=len(todo))
        places = asyncio.Semaphore(concurrency)

        async def handle(problem: Problem, left: int) -> None:
            """Ask until a response is accepted or no try is left."""
            async with places:
                for _ in range(left):
                    record = await ask(client, server, problem)
                    run.keep(record)
                    if record["status"] in ("accepted", "failed"):
                        break
            progress.advance(bar)

        async with server.client() as client:
            await _all([handle(problem, left) for problem, left in todo])
    return run.counts


class _Run:
    """What a run has got so far: lines in the file, and counts that tell when to give up."""

    def __init__(self, server: Server, out: Path) -> None:
        self._server, self._out = server, out
        self.counts: Counter[str] = Counter()
        self._failed_in_a_row, self._reached = 0, False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open the file for appending."""
        try:
            file = self._out.open("a", encoding="utf-8")
        except OSError as error:
            raise ValueError(f"cannot write {self._out}: {error.strerror}; choose another --out") from error
        with file as self._file:
            yield

    def keep(self, record: dict[str, Any]) -> None:
        """Append a record; raises where the server seems to be gone for all."""
        self._reached |= record.pop("reached", True)
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()
        failed = record["status"] == "failed"
        self.counts[record["status"]] += 1
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        if failed and not self._reached:
            reason = f"cannot be reached ({record['error']}); start the server, or correct --base-url"
            raise ServerError(f"{self._server.base_url} {reason}")
        if self._failed_in_a_row >= GIVE_UP:
            raise ServerError(f"{GIVE_UP} requests in a row failed ({record['error']}); run again later.")


async def _all(jobs: Sequence[Any]) -> None:
    """Run the jobs; the first error ends them all."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except* ServerError as errors:
        raise errors.exceptions[0] from None


def read_former(out: Path, model: str) -> list[dict[str, Any]]:
    """What former runs wrote; a line that was cut off in the middle is removed.

    Args:
        out: File of JSON lines, which need not exist.
        model: This run's model.

    Returns:
        The records.

    Raises:
        ValueError: The file was made with another model, or is no such file.
    """
    if not out.is_file():
        return []
    content = out.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(out, len(whole))  # in place: at no moment are the lines before it gone
    records = list(read_jsonl(out))
    others = sorted({str(record.get("model")) for record in records} - {model})
    if others:
        raise ValueError(f"{out} was made with model {', '.join(others)}, not {model}; choose another --out.")
    return records


def _unfinished(
    problems: Sequence[Problem], records: Sequence[dict[str, Any]], tries: int
) -> list[tuple[Problem, int]]:
    """The problems without an accepted solution, with the number of tries that each has left."""
    accepted = {_key(record) for record in records if record.get("status") == "accepted"}
    judged = Counter(_key(record) for record in records if record.get("status") in JUDGED)
    return [
        (problem, tries - judged[key])
        for problem in problems
        if (key := (problem.source, problem.id)) not in accepted and judged[key] < tries
    ]


def _key(record: dict[str, Any]) -> tuple[str, str]:
    return str(record.get("source")), str(record.get("id"))


def report(problems: Sequence[Problem], records: Sequence[dict[str, Any]]) -> str:
    """What the file holds for the problems.

    Args:
        problems: What was asked.
        records: The file's records.

    Returns:
        Lines for the terminal; problems without a solution are named.
    """
    keys = [(problem.source, problem.id) for problem in problems]
    known = set(keys)
    own = [record for record in records if _key(record) in known]
    counts = Counter(record.get("status") for record in own)
    accepted = {_key(record) for record in own if record.get("status") == "accepted"}
    without = [key[1] for key in keys if key not in accepted]
    lines = [f"{len(keys) - len(without)} of {len(keys)} problems have an expert solution"]
    lines.append(", ".join(f"{counts[status]} {status}" for status in (*JUDGED, "failed")))
    if without:
        lines.append(f"without: {', '.join(without[:10])}{' ...' if len(without) > 10 else ''}")
    errors = Counter(record["error"] for record in own if record.get("error"))
    return "\n".join([*lines, *(f"{count} x {error}" for error, count in errors.most_common(5))])


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def build_parser() -> argparse.ArgumentParser:
    """The command line.

    Returns:
        Its parser.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True, help="address of the API, such as http://localhost:8000/v1")
    parser.add_argument("--model", required=True, help="the stronger model's name there")
    parser.add_argument("--dataset", required=True, help="'rendered', a folder or file, hub:<id>, or '<layout>:<path>'")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines; an existing one is gone on with")
    parser.add_argument("--split", default="train", help="split of the data set")
    parser.add_argument("--limit", type=_at_least_one, default=None, help="at most so many problems")
    parser.add_argument("--seed", type=int, default=0, help="of rendered problems")
    parser.add_argument("--columns", default=None, help="of one's own table: question=NAME,answer=NAME,...")
    broken = parser.add_mutually_exclusive_group()
    broken.add_argument("--skip-broken", action="store_true", help="leave out broken records; see quarantine.jsonl")
    broken.add_argument("--strict", dest="skip_broken", action="store_false", help="stop at the first one (default)")
    parser.add_argument("--most-broken", type=float, default=MOST, help="stop at a larger share of broken records")
    parser.add_argument(
        "--tries", type=_at_least_one, default=1, help="responses for one problem until one is accepted"
    )
    parser.add_argument("--concurrency", type=_at_least_one, default=8, help="requests under way at once")
    parser.add_argument("--key-variable", default=Server.key_variable, help="environment variable with the key")
    parser.add_argument("--temperature", type=float, default=Server.temperature, help="of the sampling")
    parser.add_argument("--max-tokens", type=_at_least_one, default=Server.max_tokens, help="longest response")
    parser.add_argument("--seconds", type=float, default=Server.seconds, help="longest wait for a response")
    parser.add_argument("--retries", type=int, default=Server.retries, help="repetitions of a failed request")
    parser.add_argument("--pause", type=float, default=Server.pause, help="seconds before the first repetition")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Make experts and report.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        Exit status: 0; 1 where every request failed; 128 and the signal's number after Ctrl-C or another.

    Raises:
        ValueError: The data, the file or the server does not fit.
    """
    options = build_parser().parse_args(arguments)
    out: Path = options.out
    server = Server(**{name: getattr(options, name) for name in Server.__dataclass_fields__})
    problems = load_problems(
        options.dataset,
        split=options.split,
        limit=options.limit,
        seed=options.seed,
        experts="none",
        columns=options.columns,
        quarantine=Quarantine(out.parent / "quarantine.jsonl", most=options.most_broken)
        if options.skip_broken
        else None,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    read_former(out, server.model)  # refuses a foreign file before anything is asked
    counts: Counter[str] = Counter()
    try:
        counts = asyncio.run(make_experts(problems, out, server, tries=options.tries, concurrency=options.concurrency))
    except KeyboardInterrupt as interruption:
        print("\ninterrupted: the same command goes on from here")
        return 128 + getattr(interruption, "number", int(signal.SIGINT))
    finally:
        print(report(problems, read_former(out, server.model)))
    if counts and set(counts) == {"failed"}:
        print(f"error: each of the {counts.total()} requests failed, for the reason above", file=sys.stderr)
        return 1
    print(f"train with --experts file:{out}")
    return 0


if __name__ == "__main__":
    program.run(lambda: sys.exit(main()))
