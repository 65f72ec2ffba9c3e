"""The kinds of path, and their colours in every figure, page and rendering."""

from enum import IntEnum


class Kind(IntEnum):
    """What a path is worth; the value is its index in a table of kinds."""

    SOUND = 0
    SHORTCUT = 1
    FLAWED = 2
    UNSOUND = 3


KIND_COLOURS: dict[Kind, str] = {
    Kind.SOUND: "#44AA99",
    Kind.SHORTCUT: "#DDCC77",
    Kind.FLAWED: "#882255",
    Kind.UNSOUND: "#DDDDDD",
}
"""Kind of path -> colour (Paul Tol's muted palette, so that no kind has the colour of a method)."""
