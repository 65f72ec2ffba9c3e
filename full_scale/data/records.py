"""Reading records of any schema: JSON, JSON lines, CSV, columns. Every error names the file or the record."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from cli.names import hint

Cell: TypeAlias = Any  # a value of a foreign file: `Problem` checks its type
Record = Mapping[str, Cell]
Row: TypeAlias = Record | ValueError  # a record, or why there is none at this place

ROW_NUMBER = "(row)"
"""A record's place in its table, counted from 1, where a layout adds it."""

MAX_JSON = 256 * 2**20
"""Bytes: a JSON file is parsed as a whole, into several times its size; JSON lines and parquet may be larger."""

MAX_LINE = 64 * 2**20
"""Bytes of one record in JSON lines, or of one cell in CSV."""


def read_json(path: Path) -> Cell:
    """The content of a JSON file.

    Args:
        path: An existing file.

    Returns:
        Whatever the file holds.

    Raises:
        ValueError: The file is missing, too large or not JSON, or an object has one key twice.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise ValueError(f"it is larger than {MAX_JSON} bytes; write JSON lines or parquet instead")
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {path} as JSON: {error}") from error


def parse_json(text: str) -> Cell:
    """What a JSON text says.

    Args:
        text: The text.

    Returns:
        The value.

    Raises:
        ValueError: It is not JSON, is nested too deeply, or an object has one key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Cell]]) -> dict[str, Cell]:
    """An object of which no value replaces another."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r:.60} stands twice in one object")
    return content


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file with one JSON object per line, all of them sound.

    Args:
        path: An existing file.

    Yields:
        One object per non-empty line.

    Raises:
        ValueError: As :func:`jsonl_rows` gives it.
    """
    for row in jsonl_rows(path):
        if isinstance(row, ValueError):
            raise row
        yield dict(row)


def jsonl_rows(path: Path) -> Iterator[Row]:
    """The records of a file with one JSON object per line, line by line.

    Args:
        path: An existing file.

    Yields:
        One object per non-empty line; for a line that is no JSON object in UTF-8, an error with its number.

    Raises:
        ValueError: A line is too long to be a record.
    """
    with path.open("rb") as lines:
        number = 0
        while line := lines.readline(MAX_LINE + 1):
            number += 1
            place = f"line {number} of {path}"
            if len(line) > MAX_LINE:
                raise ValueError(f"{place} is longer than {MAX_LINE} bytes; write one JSON object a line")
            if line.strip(b" \t\r\n\xef\xbb\xbf"):
                try:
                    yield _json_object(line, place)
                except ValueError as error:
                    yield error


def _json_object(line: bytes, place: str) -> dict[str, Any]:
    try:
        record = parse_json(line.decode("utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{place} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{place} must be a JSON object, got {type(record).__name__}")
    return record


def csv_rows(path: Path) -> Iterator[Row]:
    """The records of a CSV file in UTF-8 with a header; columns are parted by comma, semicolon or tab.

    Args:
        path: An existing file.

    Yields:
        One record per row, all cells text; for a row with other cells than the header, an error with its line.

    Raises:
        ValueError: The file is no such table.
    """
    csv.field_size_limit(MAX_LINE)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline(MAX_LINE)
            file.seek(0)
            rows = csv.reader(file, delimiter=max(",;\t", key=header.count), strict=True)
            names = _header(next(rows, []))
            for row in filter(None, rows):
                if len(row) == len(names):
                    yield dict(zip(names, row, strict=True))
                else:
                    yield ValueError(
                        f"line {rows.line_num} of {path} has {len(row)} cells for {len(names)} columns; "
                        "put text with commas in quotes"
                    )
    except (csv.Error, OSError, ValueError) as error:
        raise ValueError(f"cannot read {path} as CSV: {error}; save it as CSV in UTF-8 again") from error


def _header(names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if not names or "" in names or len(set(names)) < len(names):
        raise ValueError(f"the first line must name each column once, got {names!r:.100}")
    return names


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
        raise ValueError(
            f"{where} has no column {name!r}; its columns are {names_of(record)}{did_you_mean(name, record)}"
        )
    return record[name]


def names_of(columns: Mapping[str, Cell] | set[str]) -> str:
    """Columns as a message lists them.

    Args:
        columns: Their names.

    Returns:
        The names, at most thirty; "none" where there are none.
    """
    names = [
        f"{name!s:.40}" for name in (sorted(columns) if isinstance(columns, set) else columns) if name != ROW_NUMBER
    ]
    return ", ".join(names[:30] + ["..."] * (len(names) > 30)) or "none"


def did_you_mean(name: str, known: Mapping[str, Cell] | set[str]) -> str:
    """The end of a message about an unknown name.

    Args:
        name: What was given.
        known: The valid names.

    Returns:
        "; did you mean 'answer'?" where one is close, else nothing.
    """
    found = hint(name, map(str, known))
    return f"; {found}" if found else ""


def fingerprint(text: str) -> str:
    """A short id for a record that has none.

    Args:
        text: What makes the record unique.

    Returns:
        Twelve hexadecimal digits.
    """
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def values(content: Cell, path: Path) -> list[Record]:
    """The records of a JSON file that is a list, a list under a single key, or a dict keyed by id.

    Args:
        content: The file's content.
        path: The file, for the message.

    Returns:
        The records, in the file's order.

    Raises:
        ValueError: The content is neither.
    """
    records = content
    if isinstance(content, dict):
        parts = list(content.values())
        records = parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError(f"{path} must be a list of JSON objects, or an object of them")
    return records
