"""A table for the terminal."""

import io

from rich.console import Console

from full_scale.pages.tables import PageTable, rich_table


def shown(table):
    text = io.StringIO()
    Console(file=text, width=60).print(rich_table(table))
    return text.getvalue()


def test_it_has_title_heads_cells_and_note():
    text = shown(PageTable("Figures", ("set", "right"), [("geometry", "50 %"), ("words", "7 %")], note="Mind the gap."))
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "Figures"
    assert "set" in lines[2]
    assert "right" in lines[2]
    assert [" ".join(line.replace("│", " ").split()) for line in lines[4:6]] == ["geometry 50 %", "words 7 %"]
    assert lines[-1] == "Mind the gap."


def test_the_first_column_is_aligned_to_the_left_and_the_others_to_the_right():
    first, *others = rich_table(PageTable("t", ("a", "b", "c"), [])).columns
    assert first.justify == "left"
    assert [column.justify for column in others] == ["right", "right"]
    assert {column.overflow for column in (first, *others)} == {"fold"}


def test_without_a_note_there_is_no_caption():
    assert rich_table(PageTable("t", ("a",), [])).caption is None
    table = rich_table(PageTable("t", ("a",), [], note="n"))
    assert (table.caption, table.caption_justify, table.title_justify) == ("n", "left", "left")
