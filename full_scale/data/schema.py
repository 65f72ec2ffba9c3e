"""What a data set must provide: how its records are found, how one becomes a `Problem`, how its answers are scored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from full_scale.data.records import Record, Row
from full_scale.data.tables import has_columns, table_rows
from full_scale.problems.problem import Problem
from full_scale.verifier.official import symbolic


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which records are read.

    Args:
        path: The data set's file or folder.
        split: One of the schema's splits.
        seed: Of problems that are drawn; files are read in their own order.
        limit: How many problems are wanted; None for all. More may be read.
    """

    path: Path
    split: str
    seed: int = 0
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """A benchmark's own scoring.

    Args:
        score: (whole response, problem) -> whether it counts as right.
        rule: What that is, for tables: what counts as right, and what stands in for a GPT.
        warning: What must be said beside its score; empty where nothing must.
    """

    score: Callable[[str, Problem], bool]
    rule: str
    warning: str = ""


REWARD_RULE = "equal as a choice's letter or text, or symbolically, in <answer>...</answer> after the thought"
"""What the training reward asks for."""

PROGRAM_REWARD_RULE = "a program in <answer>...</answer> after the thought that passes every test"
"""What it asks for where programs are written."""

SYMBOLIC = Scoring(score=symbolic, rule="equal as a choice's letter or text, or symbolically")


@dataclass(frozen=True, kw_only=True)
class Schema:
    """One layout of files, read record by record, and how answers to its problems are judged.

    Args:
        name: How `--dataset <name>:<path>` calls it.
        source: `Problem.source` of its problems; layouts of one benchmark share it.
        splits: The splits it has; the first is the default, and that of a file whose name tells no split.
        read: Its records; an error takes the place of one that cannot be read.
        problem: (record, path) -> Problem; raises ValueError where the record is broken.
        recognise: Whether a path has this layout; looks at names and columns only.
        official: The benchmark's own scoring; None where it has none.
        reward_rule: What the training reward asks for.
        shipped: What its name alone stands for, where the data come with the program.
    """

    name: str
    source: str
    splits: tuple[str, ...]
    read: Callable[[Request], Iterator[Row]]
    problem: Callable[[Record, Path], Problem]
    recognise: Callable[[Path], bool]
    official: Scoring | None
    reward_rule: str = REWARD_RULE
    shipped: Path | None = None

    @property
    def scored_split(self) -> str:
        """The split that it is scored on: its first one that is not for training or validation, else its first."""
        return next((name for name in self.splits if not name.startswith(("train", "val"))), self.splits[0])


def table_schema(
    name: str,
    splits: tuple[str, ...],
    problem: Callable[[Record, Path], Problem],
    *layouts: set[str],
    source: str = "",
    official: Scoring = SYMBOLIC,
    reward_rule: str = REWARD_RULE,
    called: str = "",
    distinct: set[str] | None = None,
) -> Schema:
    """A layout that is a table: one row per problem, in parquet, JSON, JSON lines, CSV or a saved data set.

    Args:
        name: As in `Schema`.
        splits: As in `Schema`.
        problem: As in `Schema`.
        layouts: Columns that the table has; one set for each published variant.
        source: As in `Schema`; its name where it is left out.
        official: As in `Schema`.
        reward_rule: As in `Schema`.
        called: For columns that anybody's table may have: it is recognised where its path has this word in it.
        distinct: Further columns by which it is recognised whatever its path.

    Returns:
        The schema.
    """

    def read(request: Request) -> Iterator[Row]:
        """Rows of the first variant that has any in this split."""
        for columns in layouts:
            rows = table_rows(request.path, request.split, columns.__le__, first_split=splits[0])
            for first in rows:
                yield first
                yield from rows
                return

    def recognise(path: Path) -> bool:
        """Whether the path holds any of the variants."""
        further = set() if is_called(path, called) else distinct
        return further is not None and any(has_columns(path, columns | further) for columns in layouts)

    return Schema(
        name=name,
        source=source or name,
        splits=splits,
        read=read,
        problem=problem,
        recognise=recognise,
        official=official,
        reward_rule=reward_rule,
    )


def is_called(path: Path, word: str) -> bool:
    """Whether a data set's path has a word in it.

    Args:
        path: Its file or folder; of a hub's snapshot the folder "datasets--owner--name" counts too.
        word: In lower case.

    Returns:
        True where one of the last four folders has it.
    """
    return any(word in part.lower() for part in path.resolve().parts[-4:])
