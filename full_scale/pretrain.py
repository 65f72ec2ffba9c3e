"""Makes the shipped tiny models: random weights, then a short supervised warm-up on expert solutions, stopped early.

    python full_scale/pretrain.py                         # on rendered geometry: full_scale/model/tiny_qwen2_5_vl
    python full_scale/pretrain.py --world word_problems   # the text model: full_scale/model/tiny_qwen2
    python full_scale/pretrain.py --world pipelines --steps 900  # programs: full_scale/model/tiny_qwen2_code
    python full_scale/pretrain.py --world shortcut --steps 700 --problems 6000  # with a shortcut: model/tiny_shortcut

The warm-up stops as soon as the greedy accuracy on held-out problems lies between two bounds: the model has then
learnt the format and a part of the skill, and reinforcement learning has something to improve. On programs it goes on
to the end, with a careless author's texts: what is to be improved are the author's mistakes. On geometry with a
shortcut it goes on until looking is nearly always right, while it learns the habit of guessing. The shipped models are
in these folders already: give --overwrite to make one anew, or --out.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import program
from cli.flags import Parser, add_flags, read_flags
from cli.folder import Output
from full_scale.model.shipped import MODEL_OF_WORLD
from full_scale.run.folder import model_folder


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """A tiny model to be made.

    Attributes:
        world: what it is warmed up on.
        seed: of the weights, the problems and the batches.
        steps: length of the learning-rate schedule.
        problems: number of training problems.
        out: folder of the checkpoint (default: the shipped one).
        overwrite: replace the model in it.

    Raises:
        ValueError: A number is too small.
    """

    world: Literal["rendered", "word_problems", "pipelines", "shortcut"] = "rendered"
    seed: int = 0
    steps: int = 1300
    problems: int = 8000
    out: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "problems"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1. Fix: --{name} 1.")


def main(arguments: Sequence[str] | None = None) -> float:
    """Build, warm up and save a tiny model.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        The saved model's greedy accuracy on 500 held-out problems.

    Raises:
        ValueError: An option or the output folder does not fit.
    """
    parser = Parser(__doc__, prog="pretrain.py", usage="pretrain.py [flags]")
    add_flags(parser, WarmUp, title="flags")
    made = read_flags(parser.parse_args(arguments), WarmUp)
    folder = model_folder(made.out or MODEL_OF_WORLD[made.world])
    folder.check(Output(out=folder.path, overwrite=made.overwrite))
    from full_scale.training.warm_up import make_model  # here: help and mistakes are answered without torch

    with folder:
        return make_model(folder.path, world=made.world, seed=made.seed, steps=made.steps, problems=made.problems)


if __name__ == "__main__":
    program.run(main)
