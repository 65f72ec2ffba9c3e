"""The folder of a study: whose it is, and what it holds."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from toy.studies.arms import Arm


def prepare_folder(out: Path, arms: Sequence[Arm], *, force: bool) -> None:
    """Make the output folder, or check that it holds the same study unfinished.

    Args:
        out: the folder.
        arms: the study.
        force: start afresh over a former study, finished or not; never over anything else.

    Raises:
        FileExistsError: the folder holds a finished or another study, or something else altogether.
    """
    settings, marker = json.loads(json.dumps([asdict(arm) for arm in arms])), out / "settings.json"
    if out.is_dir() and any(out.iterdir()):
        if not marker.exists():
            raise FileExistsError(f"out={str(out)!r}: not empty, and no study of this program. Fix: another --out.")
        results = out / "results.json"
        finished = results.exists() and json.loads(results.read_text())["complete"]
        same = json.loads(marker.read_text()) == settings
        if (finished or not same) and not force:
            state = "a finished study" if finished else "an interrupted study with other settings"
            raise FileExistsError(f"out={str(out)!r}: it holds {state}. Fix: another --out, or --force to replace it.")
        if force:
            for file in [*out.glob("arms/*.npz"), *out.glob("results.json")]:
                file.unlink()
    (out / "arms").mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(settings, indent=1))
