"""From a study's results to figures, a table for the terminal, and one self-contained interactive page.

The page's template, style and script are in `toy/pages/web`; all data are in the page itself, so it needs no network.
"""

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from matplotlib import colormaps
from matplotlib.colors import to_hex
from rich.table import Table

from cli.folder import beside
from toy.pages.figures import RAMP, SYMLOG_FROM, save_figure, section_figure
from toy.pages.live import write_live
from toy.pages.sections import Column, Line, Section, axis_label, build_sections
from toy.studies.folder import LIVE, REPORT
from toy.studies.results import SOLVED_ABOVE
from toy.world import KIND_COLOURS, Kind, Tree

HEADLINERS = ("grpo", "calibrl", "sft_grpo")
"""Methods whose outcome stands at the top of a page."""

KIND_NAMES = {
    Kind.SOUND: "sound",
    Kind.SHORTCUT: "shortcut",
    Kind.FLAWED: "flawed (the expert's, not executable)",
    Kind.UNSOUND: "unsound",
}

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


def terminal_table(section: Section) -> Table:
    """The end of training as a table for rich; entropy half-way too, because it is gone at the end in most methods."""
    columns: list[tuple[str, Column, int]] = [
        (f"{column.title.removeprefix('Exact ')}, end", column, -1) for column in section.columns
    ]
    first = section.columns[0]
    if first.key == "entropy":
        middle = len(section.lines[0].curves["entropy"]["mean"]) // 2
        columns.insert(0, ("entropy, half-way", first, middle))
    table = Table(title=section.title, title_justify="left")
    table.add_column("", no_wrap=True)
    for title, _, _ in columns:
        table.add_column(title, justify="right", width=20)  # of a number with its interval; a longer title is wrapped
    for line in section.lines:
        table.add_row(line.row, *(cell(line, column, point) for _, column, point in columns))
    return table


def key_numbers(sections: Sequence[Section]) -> list[str]:
    """One line for each of the headliners: what its entropy and accuracy did."""
    lines = []
    for line in _headliners(sections):
        entropy, accuracy = line.curves["entropy"]["mean"], line.curves["accuracy"]["mean"]
        lines.append(
            f"{line.label}: entropy {entropy[0]:.2f} at the start, {entropy[len(entropy) // 2]:.2f} half-way, "
            f"{entropy[-1]:.2f} at the end; accuracy {accuracy[-1]:.2f} (solved above {SOLVED_ABOVE})"
        )
    return lines


def cell(line: Line, column: Column, point: int) -> str:
    """A line's number in a column at a recorded step, with its interval."""
    curve, digits = line.curves[column.key], column.digits
    mean, low, high = (f"{curve[part][point]:z.{digits}f}" for part in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def _headliners(sections: Sequence[Section]) -> list[Line]:
    lines = {line.label: line for section in sections if section.name == "main" for line in section.lines}
    return [lines[name] for name in HEADLINERS if name in lines]


def _render(results: Mapping[str, Any], sections: Sequence[Section], pictures: Mapping[str, str], command: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("toy.pages", "web"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    first = results["arms"][0]
    tree = Tree(first["world"]["depth"], first["world"]["branching"])
    return environment.get_template(f"{results['study']}.html.jinja").render(
        results=results,
        sections=sections,
        pictures=pictures,
        headliners=_headliners(sections),
        world=first["world"],
        seeds=first["seeds"],
        logits=tree.nodes * tree.branching,
        solved_above=SOLVED_ABOVE,
        versions=", ".join(f"{name} {number}" for name, number in results["versions"].items()),
        command=command,
        cell=cell,
        dashes=DASHES,
        percent=lambda share: f"{100 * share:g} %",
        data=page_data(sections, first["steps"]),
        style=_source("page.css"),
        script=_source("chart.js") + _source("page.js"),
    )


def _source(name: str) -> str:
    return (files("toy.pages") / "web" / name).read_text(encoding="utf-8")


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
    }


def _section_data(section: Section) -> dict[str, Any]:
    masses = [
        {"key": f"{kind.name.lower()}_mass", "label": KIND_NAMES[kind], "colour": KIND_COLOURS[kind]} for kind in Kind
    ]
    columns = [
        {"key": column.key, "title": column.title, "unit": column.unit, "top": column.top}
        | {"symlog": column.symlog, "panel": column.panel, "digits": column.digits}
        for column in section.columns
    ]
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
    style = {"label": line.label, "row": line.row, "colour": line.colour, "dash": DASHES[line.dash]}
    return style | {"at": dict(line.at), "seeds": line.seeds, "curves": curves}
