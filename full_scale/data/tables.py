"""The rows of one split, whatever they are kept in: parquet, JSON, JSON lines, or a folder saved by `datasets`."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import PIL.Image
import pyarrow.parquet
from datasets import Dataset, Image, Sequence, load_from_disk

from full_scale.data.records import Cell, Record, read_json, read_jsonl, values
from full_scale.problems.pictures import EncodedPicture, Picture, find_picture, open_picture

_SPLITS = {name: name for name in ("train", "val", "test", "testmini", "testmini_text_only")} | {
    "validation": "val",
    "dev": "val",
}
"""How files call a split -> how we do."""
_SAVED = "state.json"  # in every folder that `Dataset.save_to_disk` writes
_SUFFIXES = (".parquet", ".jsonl", ".json", _SAVED)


def table_rows(path: Path, split: str, names: set[str], *, first_split: str) -> Iterator[Record]:
    """The rows of one split.

    Args:
        path: A file, or a data set's folder.
        split: Which split: files called <split>.parquet, <split>-00000-of-00001.parquet, <split>.json,
            <split>_subset.jsonl and so on, in the folder or below it, or the folder <split> of a saved data set.
        names: Columns that the table must have.
        first_split: The layout's first split, which is also that of a file whose name tells no split.

    Yields:
        One row after the other; parquet and saved data sets are read in small batches, so that a limit is cheap.

    Raises:
        ValueError: There is no such table, and one that might be it cannot be read.
    """
    candidates = [table for table in _tables(path) if _split_of(table, path) in (split, None)]
    tables = [table for table in candidates if names <= columns_of(table)]
    named = [table for table in tables if _split_of(table, path) == split]
    if not named and split == first_split:
        named = sorted(tables, key=lambda table: "subset" not in table.name)[:1]
    for table in named:
        yield from _rows(table)
    if not named:
        for table in candidates if len(candidates) == 1 else [one for one in candidates if _split_of(one, path)]:
            list(islice(_rows(table), 20))  # says why it cannot be read


def has_columns(path: Path, names: set[str]) -> bool:
    """Whether a table at a path has these columns.

    Args:
        path: A file, or a folder with tables.
        names: Required columns.

    Returns:
        False also where there is no table.
    """
    return any(names <= columns_of(table) for table in _tables(path)[:50])


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
        return tuple({name for row in islice(_rows(table), 20) for name in row})
    except (ValueError, OSError, pyarrow.ArrowException):  # whoever reads the table gets the error with its reason
        return ()


def _tables(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix in _SUFFIXES else []
    files = {file for pattern in ("*", "data/*") for file in path.glob(pattern) if file.suffix in (".json", ".jsonl")}
    saved = {file for pattern in ("", "*/") for file in path.glob(f"{pattern}{_SAVED}")}
    return sorted({*path.glob("**/*.parquet"), *files, *saved})


def _split_of(table: Path, root: Path) -> str | None:
    """The split that a file's name tells; a saved data set's split is the name of its folder."""
    name = table.name if table.name != _SAVED else table.parent.name if table.parent != root else ""
    found = re.match(rf"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})(?:[-.]|_subset|$)", name)
    return _SPLITS[found[1]] if found else None


def _rows(table: Path) -> Iterator[Record]:
    if table.name == _SAVED:
        yield from _saved_rows(table.parent)
    elif table.suffix == ".parquet":
        yield from _parquet_rows(table)
    elif table.suffix == ".jsonl":
        yield from read_jsonl(table)
    else:
        yield from values(read_json(table))


def _parquet_rows(table: Path) -> Iterator[Record]:
    try:
        for batch in pyarrow.parquet.ParquetFile(table).iter_batches(batch_size=64):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"cannot read {table} as parquet: {error}; download it again") from error


def _saved_rows(folder: Path) -> Iterator[Record]:
    data = load_from_disk(str(folder))
    if not isinstance(data, Dataset):
        raise ValueError(f"{folder} holds several splits; give its parent folder's path")
    for name, feature in data.features.items():
        if isinstance(feature, Image):
            data = data.cast_column(name, Image(decode=False))
        elif isinstance(getattr(feature, "feature", None), Image):
            data = data.cast_column(name, Sequence(Image(decode=False)))
    yield from data


def pictures_of(cell: Cell, root: Path, where: str) -> tuple[Picture, ...]:
    """The pictures of one cell.

    Args:
        cell: A relative path, bytes, {"bytes": ..., "path": ...} as the hub stores pictures, an open picture, None or
            empty text for none, or a list of these.
        root: The data set's folder or file, for relative paths.
        where: How errors call the record.

    Returns:
        The pictures, still encoded.

    Raises:
        ValueError: The cell holds something else, or bytes that are no picture.
    """
    if cell is None or cell == "":
        return ()
    if isinstance(cell, list | tuple):
        return tuple(picture for part in cell for picture in pictures_of(part, root, where))
    if isinstance(cell, dict):
        content, path = cell.get("bytes"), cell.get("path")
        if content is None and not path:
            raise ValueError(f"{where}: the picture is empty; the data set must embed its pictures' bytes")
        return pictures_of(path if content is None else content, root, where)
    if isinstance(cell, PIL.Image.Image):
        return (cell,)
    if isinstance(cell, bytes):
        return (_encoded(cell, where),)
    if isinstance(cell, str):
        return (find_picture(root, cell),)
    raise ValueError(f"{where}: a picture must be a path, bytes or {{'bytes', 'path'}}, got {type(cell).__name__}")


def _encoded(content: bytes, where: str) -> EncodedPicture:
    picture = EncodedPicture(content)
    try:
        open_picture(picture).close()
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{where}: cannot read the picture: {error}; repair it or leave the record out") from error
    return picture
