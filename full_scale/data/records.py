"""Reading records of any schema: files, columns, pictures, choices. Every error names the record."""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import PIL.Image
import pyarrow.parquet

from full_scale.problem import LETTERS

Cell: TypeAlias = Any  # a value of a foreign file: `Problem` checks its type
Record = Mapping[str, Cell]


def read_json(path: Path) -> Cell:
    """The content of a JSON file.

    Args:
        path: An existing file.

    Returns:
        Whatever the file holds.

    Raises:
        ValueError: The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path} as JSON: {error}") from error


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file with one JSON object per line.

    Args:
        path: An existing file.

    Yields:
        One object per non-empty line.

    Raises:
        ValueError: A line is not a JSON object; the message gives its number.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _json_object(line, f"line {number} of {path}")


def _json_object(text: str, place: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{place} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{place} must be a JSON object, got {type(record).__name__}")
    return record


def parquet_files(folder: Path, split: str) -> list[Path]:
    """The parquet files of one split in the hub's layout, `data/<split>-00000-of-00001.parquet`.

    Args:
        folder: The data set's folder, or one of its files.
        split: Start of the files' names.

    Returns:
        The files in order; empty where the split is absent.
    """
    if folder.is_file():
        return [folder] if folder.name.startswith(f"{split}-") else []
    return sorted(folder.glob(f"**/{split}-*.parquet"))


def read_parquet(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rows of parquet files, read in small batches so that a limit is cheap.

    Args:
        files: Parquet files with one schema.

    Yields:
        One row after the other, as a dict.
    """
    for file in files:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=64):
            yield from batch.to_pylist()


def column(record: Record, name: str, where: str) -> Cell:
    """A column that must be there.

    Args:
        record: One record.
        name: The column.
        where: How errors call the record.

    Returns:
        The column's value.

    Raises:
        ValueError: The column is missing; the message lists those there are.
    """
    if name not in record:
        raise ValueError(f"{where} has no column {name!r}; its columns are {', '.join(map(str, record))}")
    return record[name]


def choice_letter(choices: Sequence[str], text: str, where: str) -> str:
    """The letter of the choice with this text.

    Args:
        choices: Texts of A, B, C ...
        text: The right choice's text.
        where: How errors call the record.

    Returns:
        "A", "B", ...

    Raises:
        ValueError: No choice has this text.
    """
    if text not in choices:
        raise ValueError(f"{where}: the answer {text!r} is none of the choices {list(choices)}")
    return LETTERS[choices.index(text)]


def choice_text(choices: Sequence[str], letter: str, where: str) -> str:
    """The text of the choice with this letter.

    Args:
        choices: Texts of A, B, C ...
        letter: The right choice's letter.
        where: How errors call the record.

    Returns:
        The choice's text.

    Raises:
        ValueError: There is no such choice.
    """
    if len(letter) != 1 or letter not in LETTERS[: len(choices)]:
        raise ValueError(f"{where}: the answer {letter!r} is not a letter of its {len(choices)} choices")
    return choices[LETTERS.index(letter)]


def without_image_marks(text: str) -> str:
    """A question without placeholders such as <image> and <image1>.

    Args:
        text: The question as published.

    Returns:
        The question, stripped.
    """
    return re.sub(r"<image\d*>", "", text).strip()


def fingerprint(text: str) -> str:
    """A short id for a record that has none.

    Args:
        text: What makes the record unique.

    Returns:
        Twelve hexadecimal digits.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def has_columns(path: Path, names: set[str]) -> bool:
    """Whether a parquet file, or the first one below a folder, has these columns.

    Args:
        path: File or folder.
        names: Required columns.

    Returns:
        False also where there is no parquet file.
    """
    files = [path] if path.suffix == ".parquet" else sorted(path.glob("**/*.parquet"))
    return bool(files) and names <= set(pyarrow.parquet.read_schema(files[0]).names)


def embedded_image(value: Cell, where: str) -> PIL.Image.Image:
    """Open a picture stored in a parquet cell, as the hub does: {"bytes": ..., "path": ...}.

    Args:
        value: The cell, or its bytes.
        where: How errors call the record.

    Returns:
        The picture; its pixels are decoded when they are first used.

    Raises:
        ValueError: The cell is empty or holds no picture.
    """
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if not content:
        raise ValueError(f"{where}: the picture is empty; the data set must embed its pictures' bytes")
    try:
        return PIL.Image.open(io.BytesIO(content))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{where}: cannot read the picture: {error}") from error


def split_file(path: Path, split: str, suffix: str) -> Path:
    """The file of one split: the path itself where its name starts with the split, or <split>[_subset] below it.

    Args:
        path: A file, or a folder with the file in it or in its `data` folder.
        split: A split.
        suffix: ".json", ".jsonl" or ".pk".

    Returns:
        The file.

    Raises:
        ValueError: There is none; the message says where it was looked for.
    """
    names = (f"{split}{suffix}", f"{split}_subset{suffix}")
    places = [path] if path.is_file() else [folder / name for folder in (path, path / "data") for name in names]
    for place in places:
        if place.is_file() and place.name in names:
            return place
    raise ValueError(f"no file of split {split!r}: expected {' or '.join(names)} in {path} or its data folder")


def has_split_file(path: Path, splits: Sequence[str], suffix: str, columns: set[str]) -> bool:
    """Whether a split's file exists and its first record has these columns.

    Args:
        path: As in `split_file`.
        splits: The layout's splits.
        suffix: ".json" or ".jsonl".
        columns: Required columns.

    Returns:
        Whether the layout fits.
    """
    for split in splits:
        try:
            place = split_file(path, split, suffix)
            first = next(iter(read_jsonl(place) if suffix == ".jsonl" else values(read_json(place))), {})
        except ValueError:
            continue
        return columns <= set(first)
    return False


def values(content: Cell) -> list[Record]:
    """The records of a JSON file that is a list, or a dict keyed by id.

    Args:
        content: The file's content.

    Returns:
        The records, in the file's order.

    Raises:
        ValueError: The content is neither.
    """
    records = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("expected a list of JSON objects, or an object of them")
    return records


def picture(root: Path, name: str) -> Path:
    """The file of a picture that a record names by a relative path.

    Args:
        root: The data set's folder, or its file.
        name: The record's path, such as "images/3.jpg".

    Returns:
        The first that exists of: below the folder, its `images` folder, its parent's; with another suffix. Where
        none exists, the plain path, which `Problem` refuses.
    """
    folder = root if root.is_dir() else root.parent
    places = [folder / name, folder / "images" / name, folder.parent / name, folder.parent / "images" / name]
    for place in places:
        for suffix in (place.suffix, ".png", ".jpg", ".jpeg"):
            if place.with_suffix(suffix).is_file():
                return place.with_suffix(suffix)
    return places[0]


def listed_choices(question: str) -> tuple[str, ...]:
    """The choices that a question lists after "Choices:", one a line: "A:40°".

    Args:
        question: A question as published.

    Returns:
        The choices' texts without letters; empty where there are none.
    """
    _, _, tail = question.partition("Choices:")
    return tuple(text.strip() for text in re.findall(r"^\s*\(?[A-J][:.)]\s*(.*)$", tail, re.MULTILINE))


def with_choices(question: str, choices: Sequence[str]) -> str:
    """A question followed by its choices, as MathVista's and MATH-Vision's own prompts show them.

    Args:
        question: The question.
        choices: Texts of A, B, C ...; choices that are letters only are in the picture and are not repeated.

    Returns:
        The question with a line per choice.
    """
    if not choices or list(choices) == list(LETTERS[: len(choices)]):
        return question
    return "\n".join(
        [question, "Choices:", *(f"({letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False))]
    )
