"""The folder of a study: what it holds, and whether a study may be begun or gone on with in it.

The rule is that of all output folders (``cli.folder``), with one thing more: ``settings.json``, the first file, says
what was begun, and a study goes on only with the same settings.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from cli.folder import Output, RunFolder, read_json, write_json
from toy.studies.arms import Arm
from toy.studies.questions import PARTS

SETTINGS, RESULTS, REPORT, LIVE = "settings.json", "results.json", "report.html", "live.html"
PROGRAM = "python -m toy"
"""Says in settings.json whose it is."""


@contextmanager
def study_folder(output: Output, arms: Sequence[Arm]) -> Iterator[None]:
    """Make the folder for a study, or check that it may be used, and keep other runs out of it meanwhile.

    Args:
        output: the folder, and what may be done with a study in it; to go on with none is to begin one.
        arms: the study.

    Raises:
        ValueError: the folder may not be used: it holds another study or what is no study's, its settings are damaged,
            or another run uses it.
    """
    settings = _settings(arms)
    _check(_folder(output), output, settings)
    with _folder(output) as folder:
        _check(folder, output, settings)  # nobody can change it any more
        if output.overwrite:
            folder.clear()
        write_json(folder.path / SETTINGS, settings)
        (folder.path / "arms").mkdir(exist_ok=True)
        yield


def figure_stem(part: str) -> str:
    """Name of a part's figure, without its ending."""
    return part.replace(" ", "_")


def versions() -> dict[str, str]:
    """What the numbers depend on beside the settings."""
    return {name: version(name) for name in ("torch", "numpy", "gymnasium")}


def _settings(arms: Sequence[Arm]) -> dict[str, Any]:
    found = {"program": PROGRAM, "versions": versions(), "arms": {arm.file_name: asdict(arm) for arm in arms}}
    settings: dict[str, Any] = json.loads(json.dumps(found))  # as they are read back
    return settings


def _folder(output: Output) -> RunFolder:
    stems = [figure_stem(part) for part in PARTS]
    figures = [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]
    arms = [f"arms/{stem}__*.npz" for stem in stems]
    names = [RESULTS, REPORT, LIVE, *figures, *arms]
    return RunFolder(
        output.out, begun=SETTINGS, names=names, is_ours=lambda settings: settings.get("program") == PROGRAM
    )


def _check(folder: RunFolder, output: Output, settings: Mapping[str, Any]) -> None:
    folder.check(replace(output, resume=output.resume and folder.holds_run))
    former = read_json(folder.path / SETTINGS) if folder.holds_run else settings
    if output.resume and (differences := _differences(former, settings)):
        fix = "Fix: the same settings, another --out, or --overwrite to replace it."
        raise ValueError(f"out={folder.path}: it holds a study with other settings ({differences}). {fix}")


def _differences(former: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Which settings differ, with the values there and here."""
    there, here = _flat(former), _flat(settings)
    changed = {name for name in there | here if there.get(name) != here.get(name)}
    found = dict.fromkeys(
        f"{name.rsplit('.', 1)[-1]}: {there.get(name)} there, {here.get(name)} here" for name in sorted(changed)
    )
    return "; ".join(list(found)[:3])


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
