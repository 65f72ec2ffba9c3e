"""What a data set's file must provide: how its records are found, and how one becomes a `Problem`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from full_scale.data.records import Record
from full_scale.data.tables import has_columns, table_rows
from full_scale.problems.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Schema:
    """One layout of files, read record by record.

    Args:
        name: How `--dataset <name>:<path>` calls it.
        splits: The splits it has; the first is the default, and that of a file whose name tells no split.
        read: (path, split) -> its records.
        problem: (record, path) -> Problem; raises ValueError where the record is broken.
        recognise: Whether a path has this layout; looks at names and columns only.
    """

    name: str
    splits: tuple[str, ...]
    read: Callable[[Path, str], Iterator[Record]]
    problem: Callable[[Record, Path], Problem]
    recognise: Callable[[Path], bool]


def table_schema(
    name: str, splits: tuple[str, ...], problem: Callable[[Record, Path], Problem], *layouts: set[str]
) -> Schema:
    """A layout that is a table: one row per problem, in parquet, JSON, JSON lines or a saved data set.

    Args:
        name: As in `Schema`.
        splits: As in `Schema`.
        problem: As in `Schema`.
        layouts: Columns by which the table is recognised; one set for each published variant.

    Returns:
        The schema.
    """

    def read(path: Path, split: str) -> Iterator[Record]:
        """Rows of the first variant that has any in this split."""
        for columns in layouts:
            rows = table_rows(path, split, columns, first_split=splits[0])
            for first in rows:
                yield first
                yield from rows
                return

    def recognise(path: Path) -> bool:
        """Whether the path holds any of the variants."""
        return any(has_columns(path, columns) for columns in layouts)

    return Schema(name=name, splits=splits, read=read, problem=problem, recognise=recognise)
