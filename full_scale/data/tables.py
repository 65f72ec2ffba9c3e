"""The rows of one split, whatever they are kept in: parquet, JSON, JSON lines, CSV, or a folder saved by `datasets`."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pyarrow.parquet
from datasets import Dataset, DatasetDict, Image, Sequence, load_from_disk

from full_scale.data.records import Record, Row, csv_rows, jsonl_rows, parse_json, read_json, values
from full_scale.problems.pictures import inside

_SPLITS = {name: name for name in ("train", "val", "test", "testmini", "testmini_text_only")} | {
    "validation": "val",
    "dev": "val",
}
"""How files call a split -> how we do."""
_SAVED = "state.json"  # in every folder that `Dataset.save_to_disk` writes
_TEXT = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
_METADATA = "metadata"  # an "image folder": train/metadata.csv, with the pictures' names in its column file_name


def table_rows(path: Path, split: str, fits: Callable[[set[str]], bool], *, first_split: str) -> Iterator[Row]:
    """The rows of one split.

    Args:
        path: A file, or a data set's folder.
        split: Which split: files called <split>.parquet, <split>-00000-of-00001.parquet, <split>.json,
            <split>_subset.jsonl and so on, in the folder or below it, or the folder <split> of a saved data set.
        fits: Whether a table with these columns is meant.
        first_split: The layout's first split, which is also that of a file whose name tells no split.

    Yields:
        One row after the other; parquet and saved data sets are read in small batches, so that a limit is cheap. An
        error takes the place of a line that cannot be read.

    Raises:
        ValueError: There is no such table, and one that might be it cannot be read; or several may be meant.
    """
    candidates = [table for table in tables_of(path) if _split_of(table, path) in (split, None)]
    tables = [table for table in candidates if fits(columns_of(table))]
    named = [table for table in tables if _split_of(table, path) == split]
    if not named and split == first_split:
        named = _only(tables, path, split)
    for table in named:
        yield from rows_of(table, path)
    if not named:
        for table in candidates if len(candidates) == 1 else [one for one in candidates if _split_of(one, path)]:
            check_readable(table)


def check_readable(table: Path) -> None:
    """Say why a table cannot be read, by its first rows.

    Args:
        table: One of :func:`tables_of`.

    Raises:
        ValueError: It cannot.
    """
    for row in islice(rows_of(table), 20):
        if isinstance(row, ValueError):
            raise row


def _only(tables: list[Path], path: Path, split: str) -> list[Path]:
    """The table that is meant where none is called by its split."""
    subsets = [table for table in tables if "subset" in table.name]
    chosen = subsets or tables
    if len(chosen) > 1:
        names = ", ".join(str(table.relative_to(path)) for table in chosen[:10])
        raise ValueError(f"{path} has several tables: {names}; give the path of one, or call one {split}")
    return chosen


def has_columns(path: Path, names: set[str]) -> bool:
    """Whether a table at a path has these columns.

    Args:
        path: A file, or a folder with tables.
        names: Required columns.

    Returns:
        False also where there is no table.
    """
    return any(names <= columns_of(table) for table in tables_of(path)[:50])


def columns_of(table: Path) -> set[str]:
    """The columns of one table.

    Args:
        table: A parquet, JSON or JSON-lines file, or the state.json of a saved data set.

    Returns:
        Its columns, for JSON those of its first 20 records; empty where the file holds no records.
    """
    return set(_columns(table, table.stat().st_mtime_ns))


@lru_cache(maxsize=256)
def _columns(table: Path, _changed: int) -> tuple[str, ...]:
    try:
        if table.suffix == ".parquet":
            return tuple(pyarrow.parquet.read_schema(table).names)
        rows = [row for row in islice(rows_of(table), 20) if not isinstance(row, ValueError)]
        return tuple(dict.fromkeys(name for row in rows for name in row))
    except (ValueError, OSError, pyarrow.ArrowException):  # whoever reads the table gets the error with its reason
        return ()


def tables_of(path: Path) -> list[Path]:
    """The tables of a data set.

    Args:
        path: A file, or a folder.

    Returns:
        Files with a known ending in the folder, its folder `data`, or below it (parquet, metadata of an image
        folder), and the state.json of saved data sets.

    Raises:
        ValueError: A table is a link to outside of the folder.
    """
    if path.is_file():
        return [path] if path.suffix in (*_TEXT, ".parquet") else []
    files = {file for pattern in ("*", "data/*") for file in path.glob(pattern) if file.suffix in _TEXT}
    files |= {file for file in path.glob(f"*/{_METADATA}.*") if file.suffix in _TEXT}
    saved = {file for pattern in ("", "*/") for file in path.glob(f"{pattern}{_SAVED}")}
    own = {"dataset_info.json", "dataset_dict.json"} if saved else set()
    found = {*path.glob("**/*.parquet"), *(file for file in files if file.name not in own), *saved}
    return [inside(file, path) for file in sorted(found) if file.is_file()]


def splits_of(path: Path) -> list[str]:
    """The splits that the names of a data set's tables tell.

    Args:
        path: Its file or folder.

    Returns:
        Their names, sorted.
    """
    return sorted({split for table in tables_of(path) if (split := _split_of(table, path))})


def _split_of(table: Path, root: Path) -> str | None:
    """The split that a file's name tells, or its folder's for a saved data set and an image folder."""
    in_folder = table.name == _SAVED or table.stem == _METADATA
    name = table.name if not in_folder else table.parent.name if table.parent != root else ""
    found = re.match(rf"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})(?:[-._]|$)", name)
    return _SPLITS[found[1]] if found else None


def rows_of(table: Path, root: Path | None = None) -> Iterator[Row]:
    """The rows of one table.

    Args:
        table: One of :func:`tables_of`.
        root: The data set's folder, for the pictures' names in the metadata of an image folder.

    Yields:
        One row after the other; an error takes the place of a line that cannot be read.

    Raises:
        ValueError: The file cannot be read.
    """
    if table.name == _SAVED:
        yield from _saved_rows(table.parent)
    elif table.suffix == ".parquet":
        yield from _parquet_rows(table)
    elif table.suffix == ".json" and not _has_lines(table):
        yield from values(read_json(table), table)
    else:
        rows = csv_rows(table) if table.suffix in (".csv", ".tsv") else jsonl_rows(table)
        below = table.parent.relative_to(root) if root is not None and root.is_dir() else Path()
        for row in rows:
            yield row if isinstance(row, ValueError) or table.stem != _METADATA else _beside(row, below)


def _beside(row: Record, folder: Path) -> Record:
    """A row of an image folder's metadata, with the picture's name from the data set's folder on."""
    return {**row, "file_name": f"{folder}/{row['file_name']}"} if "file_name" in row else row


def _has_lines(table: Path) -> bool:
    """Whether a .json file holds JSON lines, as many do: its first line is an object, and more follows."""
    with table.open("rb") as file:
        first, rest = file.readline(2**20), file.readline(2**20).strip()
    try:
        return bool(rest) and isinstance(parse_json(first.decode("utf-8-sig")), dict)
    except ValueError:
        return False


def _parquet_rows(table: Path) -> Iterator[Record]:
    try:
        for batch in pyarrow.parquet.ParquetFile(table).iter_batches(batch_size=64):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise ValueError(f"cannot read {table} as parquet: {error}; download it again") from error


def _saved_rows(folder: Path) -> Iterator[Record]:
    state = read_json(folder / _SAVED)
    listed = state.get("_data_files", []) if isinstance(state, dict) else None
    parts = listed if isinstance(listed, list) else [None]
    files = [part.get("filename") if isinstance(part, dict) else None for part in parts]
    if any(not isinstance(name, str) or Path(name).name != name for name in files):
        raise ValueError(f"{folder / _SAVED} names files outside of its folder: {files!r:.100}; save the data again")
    try:
        yield from _without_decoding(load_from_disk(str(folder)))
    except Exception as error:  # damaged files: neither datasets nor Arrow says which errors these may be
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"cannot read {folder} as a saved data set: {reason:.300}; save or copy it again") from error


def _without_decoding(data: Dataset | DatasetDict) -> Dataset:
    """A saved data set whose pictures are read as the bytes or paths that they are."""
    if not isinstance(data, Dataset):
        raise ValueError("it holds several splits, give the path of the folder above")
    for name, feature in data.features.items():
        if isinstance(feature, Image):
            data = data.cast_column(name, Image(decode=False))
        elif isinstance(getattr(feature, "feature", None), Image):
            data = data.cast_column(name, Sequence(Image(decode=False)))
    return data
