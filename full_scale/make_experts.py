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
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError
from rich.progress import Progress

from full_scale.data import Quarantine, load_problems
from full_scale.data.records import read_jsonl
from full_scale.model.prompting import PROMPT_SUFFIX
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct
from full_scale.verifier.rewards import format_reward

JUDGED = ("accepted", "rejected", "malformed")
"""Verdicts on a response; a "failed" request has none and is made again by the next run."""

FATAL = {
    401: "refuses the key in the environment variable {key}",
    403: "does not allow this key to use the model",
    404: "does not know the address or the model",
}
PASSING = {408, 409, 425, 429}
"""Besides all from 500 on: the server may answer the same request later."""

GIVE_UP = 20
"""Failed requests in a row that end a run."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Who is asked, and how.

    Args:
        base_url: Address of the API, such as "http://localhost:8000/v1".
        model: Its name there.
        key_variable: Environment variable that holds the key; unset for a server that needs none.
        temperature: Of the sampling.
        max_tokens: Longest response, tokens.
        seconds: Longest wait for one response.
        retries: How often a request that failed for a passing reason is made again.
        pause: Seconds before the first repetition; doubled each time, up to a minute, and varied at random.
    """

    base_url: str
    model: str
    key_variable: str = "EXPERT_API_KEY"
    temperature: float = 0.7
    max_tokens: int = 4096
    seconds: float = 300.0
    retries: int = 6
    pause: float = 1.0


class ServerError(ValueError):
    """The server refuses all requests, so that there is no use in going on."""


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


async def ask(client: AsyncInferenceClient, server: Server, problem: Problem) -> dict[str, Any]:
    """One response to one problem; passing failures are retried with growing pauses.

    Args:
        client: Connected to the server.
        server: Who is asked.
        problem: What is asked.

    Returns:
        The record for the file: source, id, model, status, response, and the error of a failed request.

    Raises:
        ServerError: The server will refuse every request.
    """
    record = {"source": problem.source, "id": problem.id, "model": server.model}
    messages = [{"role": "user", "content": request_content(problem)}]
    for attempt in range(server.retries + 1):
        try:
            answer = await client.chat_completion(
                messages, model=server.model, temperature=server.temperature, max_tokens=server.max_tokens
            )
            response = _response(answer.choices[0].message)
            return {**record, "status": verdict(response, problem), "response": response}
        except Exception as error:  # the network and the server may raise anything; it is counted and told
            failure, wait = _failure(error, server), _pause(error, server, attempt)
        if wait is None:
            break
        if attempt < server.retries:
            await asyncio.sleep(wait)
    return {**record, "status": "failed", "response": "", "error": failure}


def _response(message: Any) -> str:  # noqa: ANN401  # the client's output type, whose fields servers fill as they like
    """The text; a reasoning model's thoughts come apart from it and are put in front."""
    text, thoughts = message.content or "", message.get("reasoning_content") or message.get("reasoning")
    return f"<think>{thoughts}</think>{text}" if thoughts and "<think>" not in text else text


def _failure(error: Exception, server: Server) -> str:
    """A line for the file, without addresses and keys; raises where no request can succeed."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status in FATAL:
        reason = FATAL[status].format(key=server.key_variable)
        raise ServerError(f"{server.base_url} {reason} ({server.model}); correct it and run again.") from None
    return type(error).__name__ if status is None else f"HTTP {status}"


def _pause(error: Exception, server: Server, attempt: int) -> float | None:
    """Seconds to wait; None where the same request would fail again."""
    wait: float = min(60.0, server.pause * 2.0**attempt) * random.uniform(0.5, 1.5)
    if not isinstance(error, HfHubHTTPError):
        return wait
    if error.response.status_code < 500 and error.response.status_code not in PASSING:
        return None
    asked = str(error.response.headers.get("Retry-After", ""))
    return max(wait, min(60.0, float(asked))) if asked.isdigit() else wait


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
    counts: Counter[str] = Counter()
    failed_in_a_row = 0
    places = asyncio.Semaphore(concurrency)
    key = os.environ.get(server.key_variable) or "none"  # given in any case: the hub's own token is for the hub alone
    with out.open("a", encoding="utf-8") as file, Progress(disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("asking", total=len(todo))

        async def handle(problem: Problem, left: int) -> None:
            """Ask until a response is accepted or no try is left."""
            nonlocal failed_in_a_row
            async with places:
                for _ in range(left):
                    record = await ask(client, server, problem)
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    file.flush()
                    counts[record["status"]] += 1
                    failed_in_a_row = failed_in_a_row + 1 if record["status"] == "failed" else 0
                    if failed_in_a_row >= GIVE_UP:
                        raise ServerError(f"{GIVE_UP} requests in a row failed ({record['error']}); run again later.")
                    if record["status"] in ("accepted", "failed"):
                        break
            progress.advance(bar)

        async with AsyncInferenceClient(base_url=server.base_url, api_key=key, timeout=server.seconds) as client:
            await _all([handle(problem, left) for problem, left in todo])
    return counts


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
        out.write_bytes(whole)
    records = list(read_jsonl(out))
    others = sorted({str(record.get("model")) for record in records} - {model})
    if others:
        raise ValueError(f"{out} was made with model {', '.join(others)}, not {model}; choose another --out.")
    return records


def _unfinished(
    problems: Sequence[Problem], records: Sequence[dict[str, Any]], tries: int
) -> list[tuple[Problem, int]]:
    """The problems without an accepted solution, with the number of tries that each has left."""
    accepted = {(record["source"], record["id"]) for record in records if record["status"] == "accepted"}
    judged = Counter((record["source"], record["id"]) for record in records if record["status"] in JUDGED)
    return [
        (problem, tries - judged[key])
        for problem in problems
        if (key := (problem.source, problem.id)) not in accepted and judged[key] < tries
    ]


def report(problems: Sequence[Problem], records: Sequence[dict[str, Any]]) -> str:
    """What the file holds for the problems.

    Args:
        problems: What was asked.
        records: The file's records.

    Returns:
        Lines for the terminal; problems without a solution are named.
    """
    keys = [(problem.source, problem.id) for problem in problems]
    own = [record for record in records if (record["source"], record["id"]) in set(keys)]
    counts = Counter(record["status"] for record in own)
    accepted = {(record["source"], record["id"]) for record in own if record["status"] == "accepted"}
    without = [key[1] for key in keys if key not in accepted]
    lines = [f"{len(keys) - len(without)} of {len(keys)} problems have an expert solution"]
    lines.append(", ".join(f"{counts[status]} {status}" for status in (*JUDGED, "failed")))
    if without:
        lines.append(f"without: {', '.join(without[:10])}{' ...' if len(without) > 10 else ''}")
    errors = Counter(record["error"] for record in own if record["status"] == "failed")
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
    parser.add_argument("--skip-broken", action="store_true", help="leave out records that cannot be used")
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
        Exit status: 0, or 130 after Ctrl-C.

    Raises:
        ValueError: The data, the file or the server does not fit.
    """
    options = build_parser().parse_args(arguments)
    server = Server(**{name: getattr(options, name) for name in Server.__dataclass_fields__})
    problems = load_problems(
        options.dataset,
        split=options.split,
        limit=options.limit,
        seed=options.seed,
        experts="none",
        quarantine=Quarantine(options.out.parent / "quarantine.jsonl") if options.skip_broken else None,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    work = make_experts(problems, options.out, server, tries=options.tries, concurrency=options.concurrency)
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        print("\nCtrl-C: the same command goes on from here")
        return 130
    finally:
        print(report(problems, read_former(options.out, server.model)))
    print(f"train with --experts file:{options.out}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(f"error: {error}")
