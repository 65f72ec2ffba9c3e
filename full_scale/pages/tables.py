"""Tables, for the terminal and for pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True)
class PageTable:
    """A table above the answers.

    Args:
        title: Its heading.
        columns: Heads of its columns; the first is aligned to the left.
        rows: Cells, as text.
        note: What the reader should know about it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def rich_table(table: PageTable) -> Table:
    """A page's table for the terminal."""
    shown = Table(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown
