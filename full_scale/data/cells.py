"""What a cell of a foreign table may hold: text, a number, choices, pictures; messages never echo it whole."""

import ast
import base64
import binascii
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import PIL.Image

from full_scale.data.records import Cell, parse_json
from full_scale.problems.pictures import EncodedPicture, Picture, find_picture

_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\s-]+")
_MAGIC = ("iVBORw0KGgo", "/9j/", "_9j_", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0AK")  # PNG, JPEG, GIF, WEBP, BMP, TIFF
_SHORTEST_BASE64 = 64  # characters; a picture of one pixel has more


def as_text(cell: Cell, what: str) -> str:
    """A text, or a number written out.

    Args:
        cell: Text, a whole or a decimal number, or a list of one of these; None for nothing.
        what: How errors call the cell, such as "record 3: the answer".

    Returns:
        The text without surrounding blanks: "120" for 120 and for 120.0; "" for None.

    Raises:
        ValueError: The cell holds something else, or a number that is not finite.
    """
    if isinstance(cell, list | tuple) and len(cell) == 1:
        return as_text(cell[0], what)
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        raise ValueError(f"{what} must be one text or number, got {shown(cell)}; write it as text")
    if not math.isfinite(cell):
        raise ValueError(f"{what} is the number {cell}; write it as text, or leave the record out")
    return str(int(cell)) if cell == int(cell) else format(Decimal(str(cell)), "f")


def shown(cell: Cell) -> str:
    """A cell as a message shows it.

    Args:
        cell: Anything; text in base64, say.

    Returns:
        Its type and its beginning.
    """
    text = cell if isinstance(cell, str) else repr(cell) if not isinstance(cell, bytes) else f"{len(cell)} bytes"
    return f"{type(cell).__name__} {text[:40]!r}" + ("..." if len(text) > 40 else "")


def choices_of(cell: Cell, what: str) -> tuple[str, ...]:
    """The choices of one cell.

    Args:
        cell: A list of texts and numbers, an object from letters to them, either as JSON or as Python writes it, or one
            choice a line; None or "" for none. Letters in front ("A. 40") are left out.
        what: How errors call the cell.

    Returns:
        The texts of A, B, C ...

    Raises:
        ValueError: The cell holds something else, or a choice is empty.
    """
    if isinstance(cell, str):
        cell = (
            _literal(cell)
            if cell.strip()[:1] in ("[", "{", "(")
            else [line for line in cell.split("\n") if line.strip()]
        )
    if isinstance(cell, Mapping):
        letters = sorted(cell)
        if [str(letter).upper() for letter in letters] != list("ABCDEFGHIJ"[: len(cell)]):
            raise ValueError(f"{what} must be called A, B, C ..., got {shown(letters)}")
        cell = [cell[letter] for letter in letters]
    if not isinstance(cell, list | tuple | None):
        raise ValueError(f"{what} must be a list of texts, got {shown(cell)}")
    texts = tuple(as_text(part, what) for part in (() if cell is None else cell))
    texts = _without_letters(texts)
    if "" in texts:
        raise ValueError(f"{what} has an empty one: {shown(list(texts))}")
    return texts


def _literal(text: str) -> Cell:
    """What a text in JSON or in Python's writing of a list says; itself where it says nothing."""
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text) if len(text) < 10_000 else text
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _without_letters(texts: tuple[str, ...]) -> tuple[str, ...]:
    marks = [re.match(rf"\(?{letter}[).:]\s*(?=\S)", text) for letter, text in zip("ABCDEFGHIJ", texts, strict=False)]
    if len(marks) < len(texts) or not all(marks):
        return texts
    return tuple(text[mark.end() :] for mark, text in zip(marks, texts, strict=True) if mark)


def pictures_of(cell: Cell, root: Path, where: str) -> tuple[Picture, ...]:
    """The pictures of one cell.

    Args:
        cell: A relative path, bytes, base64 (also as a data URL), {"bytes": ..., "path": ...} as the hub stores
            pictures, {"image": ...} or {"image_url": ...} of a chat, an open picture, None or empty text for none, a
            list of these, or such a list as JSON.
        root: The data set's folder or file, for relative paths.
        where: How errors call the record.

    Returns:
        The pictures, still encoded.

    Raises:
        ValueError: The cell holds something else, bytes that are no picture, or a path out of the folder.
    """
    if isinstance(cell, str):
        return _named_pictures(cell, root, where)
    if isinstance(cell, list | tuple):
        return tuple(picture for part in cell for picture in pictures_of(part, root, where))
    if isinstance(cell, Mapping):
        return _wrapped_pictures(cell, root, where)
    if isinstance(cell, bytes):
        return (EncodedPicture(cell),)
    if isinstance(cell, PIL.Image.Image):
        return (cell,)
    if cell is None:
        return ()
    raise ValueError(f"{where}: a picture must be a path, bytes, base64 or {{'bytes', 'path'}}, got {shown(cell)}")


def _wrapped_pictures(cell: Mapping[str, Cell], root: Path, where: str) -> tuple[Picture, ...]:
    """The first of the entries that is not empty."""
    for name in ("bytes", "image", "image_url", "url", "path"):
        if cell.get(name) not in (None, "", b""):
            return pictures_of(cell[name], root, where)
    raise ValueError(f"{where}: the picture is empty; the data set must embed its pictures' bytes")


def _named_pictures(text: str, root: Path, where: str) -> tuple[Picture, ...]:
    text = text.strip()
    if not text:
        return ()
    if text.startswith(("http://", "https://")):
        raise ValueError(f"{where}: the picture {text[:60]!r} is on the web; download it, and give its path")
    encoded = _DATA_URL.sub("", text[:100], count=1) + text[100:]
    if encoded != text or (len(text) >= _SHORTEST_BASE64 and text.startswith(_MAGIC) and _BASE64.fullmatch(text)):
        return (_decoded(encoded, where),)
    if text.startswith("["):
        names = _literal(text)
        if isinstance(names, list):
            return pictures_of(names, root, where)
    try:
        return (find_picture(root, text),)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _decoded(text: str, where: str) -> EncodedPicture:
    try:
        return EncodedPicture(base64.b64decode(text.replace("-", "+").replace("_", "/") + "=="))
    except binascii.Error as error:
        raise ValueError(f"{where}: the picture's base64 is damaged ({error}); encode it again") from error
