"""The folder of a study: whose it is, what it holds, and that one run at a time writes to it.

A file appears whole or not at all: it is written beside its place, under a name that ends in ``.partial``, and renamed.
``settings.json`` is the first one written, and says which others are the study's own.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import filelock

from toy.studies.arms import Arm
from toy.studies.questions import PARTS

SETTINGS, RESULTS, REPORT, LOCK = "settings.json", "results.json", "report.html", ".lock"
PROGRAM = "python -m toy"
"""Says in settings.json whose it is."""


@contextmanager
def study_folder(out: Path, arms: Sequence[Arm], *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Make the folder for a study, or check that it may be used, and keep other runs out of it meanwhile.

    Args:
        out: the folder.
        arms: the study.
        resume: go on with the same study, whatever is finished of it; a new or empty folder is a study with nothing
            finished.
        overwrite: remove a former study first, and nothing else.

    Raises:
        FileExistsError: the folder is not empty and neither flag is set, or holds another study or what is no study's;
            or another run uses it.
        ValueError: both flags are set, or a file is damaged.
    """
    if resume and overwrite:
        raise ValueError("--resume --overwrite: expected one. Fix: --resume goes on, --overwrite starts afresh.")
    settings = _settings(arms)
    _check(out, settings, resume=resume, overwrite=overwrite)
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        former = _check(out, settings, resume=resume, overwrite=overwrite)  # nobody can change it any more
        _clear(out, {} if former is None else former["arms"], everything=overwrite)
        with beside(out / SETTINGS) as partial:
            partial.write_text(json.dumps(settings, indent=1))
        (out / "arms").mkdir(exist_ok=True)
        yield


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A place to write a file to; it gets its name when it is whole.

    Args:
        path: the file; one that is there is replaced.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    lock = filelock.FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FileExistsError(f"out={str(out)!r}: another run is using it. Fix: another --out, or wait.") from None
    try:
        yield
    finally:
        lock.release()


def _check(out: Path, settings: Mapping[str, Any], *, resume: bool, overwrite: bool) -> dict[str, Any] | None:
    """The settings of the study that the folder holds, or None for none; an error if it may not be used."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"out={str(out)!r}: it is a file. Fix: another --out.")
    names = {file.name for file in out.iterdir()} if out.exists() else set()
    if SETTINGS not in names and {_whole(name) for name in names} <= {SETTINGS, LOCK}:
        return None  # a run that ended before it began
    former = _read_settings(out)
    if overwrite:
        _check_own(out, former["arms"])
    elif not resume:
        fix = "Fix: another --out, --resume to go on with the same study, or --overwrite to replace it."
        raise FileExistsError(f"out={str(out)!r}: it holds a study. {fix}")
    elif differences := _differences(former, settings):
        fix = "Fix: the same settings, another --out, or --overwrite to replace it."
        raise FileExistsError(f"out={str(out)!r}: it holds a study with other settings ({differences}). {fix}")
    return former


def _read_settings(out: Path) -> dict[str, Any]:
    path = out / SETTINGS
    if not path.is_file():
        first = min(file.name for file in out.iterdir())
        raise FileExistsError(f"out={str(out)!r}: it holds no study, but {first!r}. Fix: another --out.")
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path}: damaged ({error}). Fix: another --out; or remove the folder, if it is yours."
        ) from None
    if not isinstance(found, dict) or found.get("program") != PROGRAM:
        raise FileExistsError(f"out={str(out)!r}: its {SETTINGS!r} is another program's. Fix: another --out.")
    return found


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


def _check_own(out: Path, arms: Mapping[str, Any]) -> None:
    for file in sorted(out.rglob("*")):
        if not _is_own(file.relative_to(out).as_posix(), arms):
            name = str(file.relative_to(out))
            raise FileExistsError(
                f"out={str(out)!r}: this program did not write {name!r} in it. Fix: move that file, or another --out."
            )


def _clear(out: Path, arms: Mapping[str, Any], *, everything: bool) -> None:
    """Remove what was left half-written; or all that a former study wrote, but its settings, which are replaced."""
    for file in sorted(out.rglob("*")):
        name = file.relative_to(out).as_posix()
        if (
            file.is_file()
            and _is_own(name, arms)
            and name not in (SETTINGS, LOCK)
            and (everything or _whole(name) != name)
        ):
            file.unlink()


def _is_own(name: str, arms: Mapping[str, Any]) -> bool:
    """Whether a study with these arms writes a file of this name, relative to its folder."""
    figures = {f"{figure_stem(part)}.{kind}" for part in PARTS for kind in ("png", "svg")}
    return _whole(name) in {SETTINGS, RESULTS, REPORT, LOCK, "arms", *figures, *(f"arms/{arm}" for arm in arms)}


def _whole(name: str) -> str:
    """The name of a file when it is whole."""
    return re.sub(r"\.\d+\.partial$", "", name)
