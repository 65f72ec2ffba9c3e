"""The report of a crash, for a user to send: settings, versions, last metrics and traceback, and no data."""

import dataclasses
import platform
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cli.folder import write_json
from full_scale.run.folder import CRASH_FILE, METRICS_FILE, read_metrics
from full_scale.run.settings import Settings

ROOT = Path(__file__).parents[2]
LONGEST, SHORTEST = 300, 4
"""Characters of an error's message at most, and of a text of the data that is looked for in it at least."""


@contextmanager
def crash_report(
    out: Path, settings: Settings, versions: Mapping[str, str], *, private: Sequence[str] = ()
) -> Iterator[None]:
    """Write crash.json where the run within it fails; the error goes on.

    Args:
        out: The run's folder.
        settings: All options.
        versions: Of the packages.
        private: Texts of the data, which must not get into the report.
    """
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # a full disk, of which the error tells
            write_json(out / CRASH_FILE, report(error, out, settings, versions, private=private))
            print(f"a report without data, to send with a question: {out / CRASH_FILE}", file=sys.stderr)
        raise


def report(
    error: BaseException, out: Path, settings: Settings, versions: Mapping[str, str], *, private: Sequence[str] = ()
) -> dict[str, Any]:
    """What crash.json holds.

    Args:
        error: What was raised.
        out: The run's folder.
        settings: All options.
        versions: Of the packages.
        private: Texts of the data.

    Returns:
        Settings, versions, machine, last metrics, and the error with the places of its traceback.
    """
    metrics = read_metrics(out / METRICS_FILE)
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": {"type": type(error).__name__, "message": without_data(str(error), private)},
        "traceback": [f"{_place(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames],
        "last_metrics": metrics[-1] if metrics else None,
        "settings": {name: _safe(value) for name, value in dataclasses.asdict(settings).items()},
        "versions": dict(versions),
        "machine": {"python": platform.python_version(), "system": platform.platform(), "gpu": _gpu()},
    }


def without_data(message: str, private: Sequence[str] = ()) -> str:
    """A message without what it may quote of the data: quoted text and the data's own texts are left out.

    Args:
        message: Of an error.
        private: Texts of the data.

    Returns:
        Its first characters, each quotation as '...'.

    Example:
        >>> without_data("key 'Find x' is missing")
        "key '...' is missing"
    """
    quoted = r"""(["'`])(?:\\.|(?!\1).)*\1|“[^”]*”|«[^»]*»"""
    for text in sorted(private, key=len, reverse=True):
        if len(text) >= SHORTEST:
            message = message.replace(text, "'...'")
    return re.sub(quoted, "'...'", message, flags=re.DOTALL)[:LONGEST]


def _safe(value: object) -> object:
    """A setting without a password in an address, and without the home folder."""
    if not isinstance(value, str):
        return value
    return re.sub(r"//[^/@\s]*@", "//...@", value.replace(str(Path.home()), "~"))


def _place(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        return path.relative_to(ROOT).as_posix()
    return "/".join(path.parts[-3:])


def _gpu() -> str:
    import torch  # here, so that the module can be read without it

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
