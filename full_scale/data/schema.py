"""What a data set's file must provide: how its records are found, and how one becomes a `Problem`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from full_scale.data.records import Record
from full_scale.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Schema:
    """One layout of files, read record by record.

    Args:
        name: How `--dataset <name>:<path>` calls it.
        splits: The splits it has; the first is the default.
        read: (path, split) -> its records; a record's pictures are already paths or open pictures.
        problem: record -> Problem.
        recognise: Whether a path has this layout; looks at names and columns only.
    """

    name: str
    splits: tuple[str, ...]
    read: Callable[[Path, str], Iterator[Record]]
    problem: Callable[[Record], Problem]
    recognise: Callable[[Path], bool]
