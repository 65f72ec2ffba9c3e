"""Trains a vision-language model on geometry with a method of ``calibrl_ref``.

python full_scale/train.py                                     # the tiny model on rendered geometry, on a CPU
python full_scale/train.py --preset tiny-text                  # a tiny text model on word problems
python full_scale/train.py --dataset FOLDER --experts answer_only --method calibrl --slope 0.3
python full_scale/train.py --preset qwen2.5-vl-7b --print-config   # all values, and where each comes from
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import program
from full_scale.run.command_line import describe, read_command_line


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Train, and write checkpoint, metrics, curves, sample answers and results.json to the output folder.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Returns:
        What results.json holds; empty after ``--print-config``.

    Raises:
        ValueError: If a setting, the machine, the data, the model or the output folder does not fit.
        Interrupted: After a signal, with a checkpoint in the folder.
    """
    run = read_command_line(sys.argv[1:] if arguments is None else arguments)
    if run.print_config:
        print(describe(run))
        return {}
    from full_scale.training.session import train  # here: help and mistakes are answered before torch is imported

    return train(run.settings, run.output, checkpoint=run.checkpoint)


if __name__ == "__main__":
    program.run(main)
