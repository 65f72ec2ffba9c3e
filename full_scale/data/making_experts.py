"""Solutions by a stronger model, kept where the verifier accepts them: what ``full_scale/make_experts.py`` does."""

import asyncio
import base64
import io
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.progress import Progress

from full_scale.data.records import read_jsonl
from full_scale.data.teacher import LONGEST_WAIT, RequestError, Server, ServerError, complete
from full_scale.model.prompting import PROMPT_SUFFIX
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct
from full_scale.verifier.rewards import well_formed

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
        "accepted", "rejected" (the answer is wrong) or "malformed" (not thoughts and answer in their tags, or none of
        the problem's ways).
    """
    if not well_formed(response, problem):
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
