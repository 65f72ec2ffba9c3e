"""Output folders, by one rule: a folder belongs to one run, and nothing in it is lost unless it is said.

A new or empty folder is taken. One that holds a run is gone on with by ``--resume`` and replaced by ``--overwrite``,
which removes what the program itself wrote; any other file is refused by its name. While a run writes, it holds a lock.
A file appears whole or not at all: it is written beside its place, under a name that ends in ``.part``, and renamed.
"""

import fnmatch
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

LOCK = ".lock"
"""The file that a run locks; the operating system frees it even when the run is killed."""

PART = ".part"
"""Ending of a file that is half-written."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a program writes.

    Attributes:
        out: output folder.
        resume: go on with the run in it.
        overwrite: replace the run in it.

    Raises:
        ValueError: Both are asked for.
    """

    out: Path
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise ValueError("--resume --overwrite: expected one of them. Fix: leave one out.")


class RunFolder:
    """The folder of one run; within ``with`` it is this process's alone.

    Args:
        path: The folder, which need not exist.
        begun: File of JSON that every run writes first; a folder with it holds a run.
        names: What the program writes: patterns of paths below the folder, as in ``fnmatch``, where ``*`` is no ``/``.
            Each may also be there half-written.
        is_ours: Whether the object in the first file was written by this program: others call theirs settings.json too.
        resumable: Whether there is a ``--resume``.
    """

    def __init__(
        self,
        path: Path,
        *,
        begun: str,
        names: Sequence[str],
        is_ours: Callable[[dict[str, Any]], bool],
        resumable: bool = True,
    ) -> None:
        self.path, self.begun, self.names, self._is_ours = path, begun, (begun, LOCK, *names), is_ours
        self.ways = "--resume, --overwrite" if resumable else "--overwrite"
        self._lock = FileLock(path / LOCK, blocking=False)
        self._made: list[Path] = []

    @property
    def holds_run(self) -> bool:
        """Whether a run was begun in it."""
        return (self.path / self.begun).is_file()

    def foreign(self) -> list[str]:
        """The files in it that the program does not write, by their paths below the folder."""
        return [name for name in self._files() if (self.path / name).is_symlink() or not self._is_own(name)]

    def check(self, output: Output) -> None:
        """Refuse what the rule forbids; changes nothing.

        Args:
            output: What was asked for.

        Raises:
            ValueError: Naming the folder, the file in the way, and what to do.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"out={self.path}: expected a folder, it is a file. Fix: choose another --out.")
        if output.resume and not self.holds_run:
            raise ValueError(f"--resume: {self.path} holds no run ({self.begun}). Fix: start it without --resume.")
        if self.holds_run:
            self._check_begun()
        foreign = self.foreign() if self.path.is_dir() else []
        if foreign and not self.holds_run:
            raise ValueError(
                f"out={self.path}: it is in use, {_some(foreign)} is no file of ours. Fix: choose another --out."
            )
        if not self.holds_run and (left := sorted({*self._files()} - {LOCK, self.begun + PART})):
            raise ValueError(
                f"out={self.path}: it is in use, {_some(left)} is there without the run's {self.begun}. "
                "Fix: choose another --out."
            )
        if foreign and output.overwrite:
            raise ValueError(
                f"--overwrite: {self.path} also holds {_some(foreign)}, which this program did not write. "
                "Fix: move it away, or choose another --out."
            )
        if self.holds_run and not (output.resume or output.overwrite):
            raise ValueError(f"out={self.path}: it is in use ({self.begun}). Fix: {self.ways}, or another --out.")

    def __enter__(self) -> "RunFolder":
        """Make the folder and lock it.

        Raises:
            ValueError: It cannot be written, or another run has it.
        """
        try:
            self._make()
            self._lock.acquire()
        except Timeout:
            raise ValueError(
                f"out={self.path}: another run is writing there. Fix: wait for it, or choose another --out."
            ) from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(f"out={self.path}: cannot be written ({reason}). Fix: choose another --out.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Free it; folders that were made for nothing are removed."""
        (self.path / LOCK).unlink(missing_ok=True)
        for made in reversed(self._made):
            _remove_if_empty(made)
        self._lock.release()

    def clear(self) -> None:
        """Remove the run in it.

        Raises:
            ValueError: There is something that the program did not write; then nothing is removed.
        """
        self.check(Output(out=self.path, overwrite=True))
        if not self.holds_run:
            return
        own = [path for path in self.path.rglob("*") if not path.is_dir() and path.name != LOCK]
        own.remove(self.path / self.begun)
        for path in own:
            path.unlink()
        above = {folder for path in own for folder in path.parents if folder.is_relative_to(self.path)}
        for folder in sorted(above - {self.path}, reverse=True):  # inner ones first
            _remove_if_empty(folder)
        (self.path / self.begun).unlink()  # last, so that an interrupted removal can be repeated

    def _check_begun(self) -> None:
        """Refuse a first file that another program wrote, or that cannot be read: nothing beside it is surely ours."""
        content = read_json(self.path / self.begun)
        if not isinstance(content, dict) or not self._is_ours(content):
            raise ValueError(f"out={self.path}: its {self.begun} is another program's. Fix: choose another --out.")

    def _files(self) -> list[str]:
        files = sorted(path for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir())
        return [path.relative_to(self.path).as_posix() for path in files]

    def _is_own(self, name: str) -> bool:
        parts = name.removesuffix(PART).split("/")
        patterns = [pattern.split("/") for pattern in self.names]
        return any(len(pattern) == len(parts) and all(map(fnmatch.fnmatchcase, parts, pattern)) for pattern in patterns)

    def _make(self) -> None:
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            self._made.append(path)


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """A place to write a file to, which gets its name when it is whole.

    Args:
        file: The file; one that is there is replaced.
    """
    part = file.with_name(f"{file.name}{PART}")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a file of JSON whole or not at all.

    Args:
        file: The file.
        content: Of it.
    """
    with beside(file) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(file: Path) -> Any:  # noqa: ANN401  # whatever the file holds
    """What a file of JSON holds.

    Args:
        file: The file.

    Returns:
        Its content.

    Raises:
        ValueError: It is no JSON, such as a file that was cut off; the message names it.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError is one
        raise ValueError(
            f"{file}: expected JSON, perhaps it was cut off ({error}). Fix: remove it, or start anew."
        ) from error


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; none where it does not exist. A cut-off last line does not count.

    Args:
        file: The file.

    Returns:
        Its records.

    Raises:
        ValueError: A whole line is no JSON; the message names file and line.
    """
    if not file.is_file():
        return []
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    records = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: expected JSON ({error}). Fix: remove the line.") from error
    return records


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
