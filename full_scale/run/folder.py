"""A run's folder: who may write there, which versions ran, and the metrics that it holds."""

import dataclasses
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from full_scale.run.machine import is_main_process
from full_scale.run.settings import Settings

SETTINGS_FILE, BEFORE_FILE = "settings.json", "held_out_before.json"


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The updates' metrics, in order.

    Args:
        file: metrics.jsonl.

    Returns:
        One record per update; none where the file does not exist.
    """
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def forget_later_metrics(file: Path, step: int) -> None:
    """Drop the metrics of updates that will be done again.

    Args:
        file: metrics.jsonl.
        step: The last update that stays.
    """
    kept = [json.dumps(record) + "\n" for record in read_metrics(file) if record["step"] <= step]
    file.write_text("".join(kept), encoding="utf-8")


def versions() -> dict[str, str]:
    """The versions of this project and of what a run's numbers depend on."""
    return {name: version(name) for name in ("calibrl-ref", "torch", "transformers", "trl", "accelerate", "numpy")}


MAY_CHANGE = ("steps", "save_every", "evaluate_problems", "evaluate_samples")
"""Settings that a resumed run may change."""


def prepare_folder(out: Path, settings: Settings, *, resume: bool, overwrite: bool) -> str | None:
    """Make the output folder; never overwrite one silently.

    Args:
        out: The folder.
        settings: All options, kept in the folder.
        resume: Go on from its last checkpoint.
        overwrite: Empty it first.

    Returns:
        The checkpoint to resume from, or None.

    Raises:
        ValueError: If the folder is in use, has nothing to resume from, or was begun with other settings.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"output folder {out} is a file; choose another --out.")
    file = out / SETTINGS_FILE
    if resume:
        checkpoint: str | None = get_last_checkpoint(str(out)) if out.is_dir() else None
        if checkpoint is None:
            raise ValueError(f"--resume: {out} has no checkpoint; start without --resume.")
        check_same_settings(file, settings)
        return checkpoint
    if is_main_process():
        in_use = out.is_dir() and any(path.name not in (SETTINGS_FILE, BEFORE_FILE) for path in out.iterdir())
        if in_use and not overwrite:
            raise ValueError(f"output folder {out} is in use; choose another --out, or --resume, or --overwrite.")
        if in_use:
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(dataclasses.asdict(settings), indent=2) + "\n", encoding="utf-8")
    return None


def check_same_settings(file: Path, settings: Settings) -> None:
    """Refuse to go on with a run under other settings than those that it was begun with.

    Args:
        file: settings.json of the run.
        settings: All options now.

    Raises:
        ValueError: Naming each difference.
    """
    if not file.is_file():
        raise ValueError(f"--resume: {file} is missing, so this command did not begin the run; start anew.")
    begun, now = json.loads(file.read_text(encoding="utf-8")), dataclasses.asdict(settings)
    differences = [
        f"{name} was {begun.get(name)!r}, now {value!r}"
        for name, value in now.items()
        if name not in MAY_CHANGE and begun.get(name) != value
    ]
    if differences:
        raise ValueError(f"--resume: {'; '.join(differences)}. Resume with the run's settings, or start anew.")
