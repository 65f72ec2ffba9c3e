"""Scores a checkpoint on benchmarks: accuracy by the training reward and by official scoring, pass@k, entropy, ECE.

python full_scale/evaluate.py --model runs/full_scale --samples 8
python full_scale/evaluate.py --model runs/full_scale --dataset rendered tests/data/geometry3k --out runs/evaluation
python full_scale/evaluate.py --compare runs/evaluation_before runs/evaluation
python full_scale/evaluate.py --model runs/lora --merge runs/merged    # low-rank adapters, merged into the weights
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import program
from cli.flags import Parser, add_flags, add_opposite, read_flags
from cli.folder import Output
from full_scale.evaluation.request import Request

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_OUT = Path("runs/evaluation")

OTHER_NAMES = {
    "benchmark": "dataset",
    "checkpoint": "model",
    "data": "dataset",
    "force": "overwrite",
    "k": "pass-at",
    "max-new-tokens": "max-response-length",
    "max-tokens": "max-response-length",
    "model-name-or-path": "model",
    "model-path": "model",
    "n": "samples",
    "num-samples": "samples",
    "output": "out",
    "output-dir": "out",
}
"""What other programs call a flag -> what it is here."""


def main(arguments: Sequence[str] | None = None, *, console: "Console | None" = None) -> dict[str, Any]:
    """Evaluate a checkpoint, merge its adapters, or compare two finished evaluations.

    Args:
        arguments: Command line; None reads ``sys.argv``.
        console: Where progress and tables go; None for the terminal.

    Returns:
        What results.json holds, or the comparison; empty after merging.

    Raises:
        ValueError: If an option, the data, the model or the output folder does not fit.
        Interrupted: After a signal; the answers so far are kept.
    """
    parser = Parser(__doc__, prog="evaluate.py", usage="evaluate.py [flags]", other_names=OTHER_NAMES)
    add_flags(parser, Request, title="what is evaluated")
    add_flags(parser, Output, title="output folder", defaults={"out": DEFAULT_OUT})
    add_opposite(parser, "strict", of="skip_broken")
    parser.set_defaults(out=DEFAULT_OUT)
    given = parser.parse_args(arguments)
    request, output = read_flags(given, Request), read_flags(given, Output)
    request.options()  # a value that does not fit is told before torch is imported
    from rich.console import Console

    from full_scale.evaluation.session import run

    return run(request, output, console or Console())


if __name__ == "__main__":
    program.run(main)
