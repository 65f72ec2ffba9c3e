"""From a study's results to figures, a table for the terminal, and one self-contained interactive page.

The page's template, style and script are in `toy/pages/web`; all data are in the page itself, so it needs no network.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex
from rich.markup import escape
from rich.table import Table

from cli.folder import beside
from toy.pages.figures import RAMP, SYMLOG_FROM, save_figure, section_figure
from toy.pages.live import write_live
from toy.pages.names import idea_of, source_of
from toy.pages.sections import Column, Line, Section, axis_label, build_sections
from toy.pages.templates import percent, render, source
from toy.studies.folder import LIVE, REPORT
from toy.studies.results import SOLVED_ABOVE
from toy.world import KIND_COLOURS, Kind, Tree

HEADLINERS = ("grpo", "calibrl", "calibrl:exploration_weight=1", "sft_grpo")
"""Methods whose curves are drawn from the first; the others are a click away."""

KIND_NAMES = {
    Kind.SOUND: "sound",
    Kind.SHORTCUT: "shortcut",
    Kind.FLAWED: "flawed (the expert's, not executable)",
    Kind.UNSOUND: "unsound",
}

LABEL_WIDTH, CELL_WIDTH, INTERVAL_WIDTH = 22, 21, 12
"""Columns of a terminal: of a name in words, of a number with its interval, and of an interval alone."""

DASHES = {"-": "", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}
"""Dash in matplotlib's words -> in SVG's."""


def write_report(results: Mapping[str, Any], out: Path, *, command: str) -> Path:
    """Write a figure for each section (PNG and SVG), report.html, and the live page beside it.

    Args:
        results: what :func:`toy.studies.results.summarise` returned, with at least one finished arm.
        out: the study's folder.
        command: the command line that made it.

    Returns:
        Path of the report.
    """
    sections, steps = build_sections(results), results["arms"][0]["steps"]
    pictures = {}
    for section in sections:
        drawing = save_figure(section_figure(section, steps), out / section.file_name)
        pictures[section.name] = "data:image/svg+xml;base64," + base64.b64encode(drawing.read_bytes()).decode()
    write_live(out / LIVE)
    with beside(out / REPORT) as page:
        page.write_text(_render(results, sections, pictures, command), encoding="utf-8")
    return out / REPORT


def terminal_table(section: Section, width: int) -> Table:
    """The end of training as a table for rich; entropy half-way, because it is gone at the end in most methods.

    Args:
        section: its lines and columns.
        width: of the terminal, from 80 on. Numbers stand above their intervals where it is short: labels stay whole.
    """
    columns: list[tuple[str, Column, int]] = [
        (f"{column.title.removeprefix('Exact ')}, end", column, -1)
        for column in section.columns
        if column.panel or column.share
    ]
    first = section.columns[0]
    if first.key == "entropy":
        middle = len(section.lines[0].curves["entropy"]["mean"]) // 2
        columns[:1] = [("entropy, half-way", first, middle)]
    table = Table(title=section.title, title_justify="left", box=None, pad_edge=False)
    wide = width >= LABEL_WIDTH + 2 + len(columns) * (CELL_WIDTH + 2)
    table.add_column("", overflow="fold", min_width=LABEL_WIDTH)
    for title, _, _ in columns:
        table.add_column(title, justify="right", width=CELL_WIDTH if wide else INTERVAL_WIDTH)
    for line in section.lines:
        cells = [cell(line, replace(column, digits=2), point) for _, column, point in columns]
        table.add_row(escape(line.title), *(escape(text if wide else text.replace(" [", "\n[")) for text in cells))
    return table


def conclusions(sections: Sequence[Section]) -> list[str]:
    """What the default world shows of the main methods, a sentence each, with figures; empty without them.

    Args:
        sections: the study's.
    """
    main, deep = (_by_method(sections, name) for name in ("main", "deep"))
    if not {"grpo", "calibrl"} <= set(main):
        return []
    found = [
        f"GRPO stops searching: {_outcome(main['grpo'])}",
        f"CalibRL goes on searching: {_outcome(main['calibrl'])}",
    ]
    if strong := main.get("calibrl:exploration_weight=1"):
        found[1] += f", and with lambda 1, ten times the paper's, {_end(strong, 'coverage')}"
    if "sft_grpo" in main:
        found.append(f"SFT, then GRPO, finds it, too: {_outcome(main['sft_grpo'])}")
    if "sft_grpo" in main and {"grpo", "sft_grpo"} <= set(deep):
        ends = [_end(deep[name], "accuracy") for name in ("sft_grpo", "grpo")]
        found[2] += f"; but long imitation of what it cannot execute ends at {ends[0]}, GRPO there at {ends[1]}"
    return found


def _by_method(sections: Sequence[Section], name: str) -> dict[str, Line]:
    return {line.label: line for section in sections if section.name == name for line in section.lines}


def _end(line: Line, key: str) -> str:
    return f"{line.curves[key]['mean'][-1]:.2f}"


def _outcome(line: Line) -> str:
    count = round(line.curves["solved"]["mean"][-1] * line.seeds)
    where = f"on a sound path in {count} of {line.seeds} seeds"
    return f"accuracy {_end(line, 'accuracy')}, {where}, coverage {_end(line, 'coverage')}"


def cell(line: Line, column: Column, point: int) -> str:
    """A line's number in a column at a recorded step, with its interval; one seed has none."""
    curve, digits = line.curves[column.key], column.digits
    mean, low, high = (f"{curve[part][point]:z.{digits}f}" for part in ("mean", "low", "high"))
    if column.share:
        mean = f"{round(curve['mean'][point] * line.seeds)} of {line.seeds}"
    return f"{mean} [{low}, {high}]" if line.seeds > 1 else mean


def _render(results: Mapping[str, Any], sections: Sequence[Section], pictures: Mapping[str, str], command: str) -> str:
    first = results["arms"][0]
    tree = Tree(first["world"]["depth"], first["world"]["branching"])
    return render(
        results["study"],
        results=results,
        sections=sections,
        pictures=pictures,
        answer="; ".join(conclusions(sections)),
        headliners=HEADLINERS,
        live=LIVE,
        world=first["world"],
        seeds=first["seeds"],
        logits=tree.nodes * tree.branching,
        solved_above=SOLVED_ABOVE,
        versions=", ".join(f"{name} {number}" for name, number in results["versions"].items()),
        command=command,
        cell=cell,
        dashes=DASHES,
        percent=percent,
        data=page_data(sections, first["steps"]),
        style=source("page.css"),
        script=source("chart.js") + source("page.js"),
    )


def page_data(sections: Sequence[Section], steps: Sequence[int]) -> dict[str, Any]:
    """What the page's script reads: everything that can be hovered, chosen or scrubbed.

    Args:
        sections: the study's sections.
        steps: the recorded steps.
    """
    return {
        "steps": list(steps),
        "symlogFrom": SYMLOG_FROM,
        "ramp": [to_hex(colour) for colour in colormaps[RAMP](range(0, 256, 17))],
        "sections": [_section_data(section) for section in sections],
        "methods": {
            label: {"idea": idea_of(label), "source": source_of(label)}
            for label in dict.fromkeys(line.label for section in sections if section.kinds for line in section.lines)
        },
    }


def _section_data(section: Section) -> dict[str, Any]:
    masses = [
        {"key": f"{kind.name.lower()}_mass", "label": KIND_NAMES[kind], "colour": KIND_COLOURS[kind]} for kind in Kind
    ]
    columns = [asdict(column) for column in section.columns]
    keys = dict.fromkeys([column.key for column in section.columns])
    if section.kinds:
        keys |= dict.fromkeys([mass["key"] for mass in masses])
    return {
        "name": section.name,
        "columns": columns,
        "axes": [{"name": name, "label": axis_label(name), "values": values} for name, values in section.axes.items()],
        "kinds": masses if section.kinds else [],
        "lines": [_line_data(line, list(keys)) for line in section.lines],
    }


def _line_data(line: Line, keys: Sequence[str]) -> dict[str, Any]:
    curves = {
        key: [[float(f"{value:.4g}") for value in line.curves[key][part]] for part in ("mean", "low", "high")]
        for key in keys
    }
    words = {"label": line.label, "row": line.row, "name": line.name, "title": line.title}
    style = {"colour": line.colour, "dash": DASHES[line.dash], "main": line.label in HEADLINERS}
    return words | style | {"at": dict(line.at), "seeds": line.seeds, "curves": curves, "final": dict(line.final)}
