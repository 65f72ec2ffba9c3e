r"""Lets a stronger model write the expert solutions, and keeps those that the verifier accepts.

export EXPERT_API_KEY=...
python full_scale/make_experts.py --base-url https://api.openai.com/v1 --model gpt-4o \
    --dataset FOLDER --out experts.jsonl
python full_scale/train.py --dataset FOLDER --experts file:experts.jsonl

Any server with OpenAI's chat completions will do, such as `vllm serve Qwen/Qwen2.5-VL-72B-Instruct`. Every answer is
appended to the file at once, with its verdict, so that an interrupted run goes on where it stopped: the same command
again asks only for problems that have no accepted solution and were asked fewer than --tries times.
"""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import program
from cli.flags import Parser, add_flags, add_opposite, read_flags
from cli.interruption import exit_status

OTHER_NAMES = {
    "api-base": "base-url",
    "api-key": "key-variable",
    "data": "dataset",
    "key": "key-variable",
    "max-new-tokens": "max-tokens",
    "model-name": "model",
    "output": "out",
    "timeout": "seconds",
    "url": "base-url",
    "workers": "concurrency",
}
"""What other programs call a flag -> what it is here."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked, of whom.

    Attributes:
        base_url: address of the API, such as http://localhost:8000/v1.
        model: the stronger model's name there.
        dataset: rendered, a folder or file, hub:<id>, or <layout>:<path>.
        out: file of JSON lines; an existing one is gone on with.
        split: of the data set.
        limit: at most so many problems.
        seed: of rendered problems.
        columns: what the columns of your own table are called, where that is not usual: question=q,answer=a.
        skip_broken: leave out broken records and list them in quarantine.jsonl; else the first ends the program.
        tries: responses for one problem until one is accepted.
        concurrency: requests under way at once.
        key_variable: environment variable with the key.
        temperature: of the sampling.
        max_tokens: longest response.
        seconds: longest wait for a response.
        retries: repetitions of a failed request.
        pause: seconds before the first repetition.

    Raises:
        ValueError: A number is too small.
    """

    base_url: str
    model: str
    dataset: str
    out: Path
    split: str = "train"
    limit: int | None = None
    seed: int = 0
    columns: str | None = None
    skip_broken: bool = False
    tries: int = 1
    concurrency: int = 8
    key_variable: str = "EXPERT_API_KEY"
    temperature: float = 0.7
    max_tokens: int = 4096
    seconds: float = 300.0
    retries: int = 6
    pause: float = 1.0

    def __post_init__(self) -> None:
        for name in ("limit", "tries", "concurrency", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                flag = f"--{name.replace('_', '-')}"
                raise ValueError(f"{flag} {value}: must be at least 1, got {value}. Fix: {flag} 1.")


def read_command_line(arguments: Sequence[str] | None) -> Request:
    """Parse a command line.

    Args:
        arguments: Without the program's name; None reads ``sys.argv``.

    Returns:
        What is asked.

    Raises:
        ValueError: A flag or value does not fit, or one that is needed is missing.
    """
    parser = Parser(__doc__, prog="make_experts.py", usage="make_experts.py [flags]", other_names=OTHER_NAMES)
    add_flags(parser, Request, title="what is asked")
    add_opposite(parser, "strict", of="skip_broken")
    given = parser.parse_args(arguments)
    missing = [name for name in ("base_url", "model", "dataset", "out") if not hasattr(given, name)]
    if missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ValueError(f"{flags}: expected, but not given. Fix: give them; make_experts.py --help shows an example.")
    return read_flags(given, Request)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make experts and report.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        Exit status: 0; 1 where every request failed; 128 and the signal's number after Ctrl-C or another.

    Raises:
        ValueError: The data, the file or the server does not fit.
    """
    request = read_command_line(arguments)
    from full_scale.data import Quarantine, load_problems  # here: help and mistakes are answered without torch
    from full_scale.data.making_experts import make_experts, read_former, report
    from full_scale.data.teacher import Server
    from full_scale.problems.quarantine import QUARANTINE_FILE

    out = request.out
    server = Server(**{name: getattr(request, name) for name in Server.__dataclass_fields__})
    quarantine = Quarantine(out.parent / QUARANTINE_FILE) if request.skip_broken else None
    problems = load_problems(
        request.dataset,
        split=request.split,
        limit=request.limit,
        seed=request.seed,
        experts="none",
        columns=request.columns,
        quarantine=quarantine,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    read_former(out, server.model)  # refuses a foreign file before anything is asked
    counts: Counter[str] = Counter()
    try:
        counts = asyncio.run(make_experts(problems, out, server, tries=request.tries, concurrency=request.concurrency))
    except KeyboardInterrupt as interruption:
        print("\ninterrupted: the same command goes on from here")
        return exit_status(getattr(interruption, "number", signal.SIGINT))
    finally:
        print(report(problems, read_former(out, server.model)))
    if counts and set(counts) == {"failed"}:
        print(f"error: each of the {counts.total()} requests failed, for the reason above", file=sys.stderr)
        return 1
    print(f"train with --experts file:{out}")
    return 0


if __name__ == "__main__":
    program.run(lambda: sys.exit(main()))
