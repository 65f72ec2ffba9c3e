"""From a study's results to figures, one self-contained HTML page, and a table for the terminal."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from rich.table import Table

from toy.figures import (
    ablation_figure,
    comparison_figure,
    label_of,
    map_figure,
    mechanism_figure,
    regime_figure,
    save_figure,
    style_of,
)
from toy.studies import REGIMES, SETTINGS
from toy.world import Tree

SOLVED_ABOVE = 0.85
"""A final accuracy above this is out of reach of shortcuts."""

COLUMNS = ("method", "entropy, half-way", "entropy, end", "accuracy, end", "sound paths, end", "solved")

GUIDES = {
    "ablate": (
        "Which piece of CalibRL does what?",
        "Each part changes one piece and leaves the rest at the paper's values. A difference means something only "
        "if it is larger than the intervals, and than that of the control named in the question.",
    ),
    "phase": (
        "When does calibration pay, and when imitation?",
        "Each cell of a map is a whole training run of all seeds, averaged; the table below it has the intervals. "
        "Compare the same column between methods: where imitation before GRPO is as high, calibration brings nothing.",
    ),
    "mechanism": (
        "Who is pushed where, and what does that do to the entropy?",
        "Above: minus the gradient of the loss with respect to the log-probability of the responses of a kind, summed "
        "over a batch; above zero they are made likelier. Below: the change of the exact entropy by each update, and "
        "its first-order prediction; where the two part, an update is too large for the first-order theory.",
    ),
}
"""Study -> the question of its page, and what to look at."""

Entry = Mapping[str, Any]


def table_rows(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The table of some arms: method, then the columns of :data:`COLUMNS` as text."""
    rows = []
    for entry in entries:
        middle = len(entry["steps"]) // 2
        cells = (("entropy", middle), ("entropy", -1), ("accuracy", -1), ("sound_mass", -1))
        texts = [_cell(entry["curves"][metric], point) for metric, point in cells]
        final = entry["final"]["accuracy"]
        rows.append((label_of(entry), *texts, f"{sum(value > SOLVED_ABOVE for value in final)} / {len(final)}"))
    return rows


def _cell(curve: Mapping[str, Sequence[float]], point: int) -> str:
    return f"{curve['mean'][point]:.3f} [{curve['low'][point]:.3f}, {curve['high'][point]:.3f}]"


def terminal_table(title: str, entries: Sequence[Entry]) -> Table:
    """The same table for rich."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in table_rows(entries):
        table.add_row(*row)
    return table


def write_report(results: Mapping[str, Any], out: Path, *, command: str) -> Path:
    """Write the figures (PNG and SVG) and report.html.

    Args:
        results: what :func:`toy.study.summarise` returned, with at least one finished arm (of the main setting, for
            ``compare``).
        out: the study's folder.
        command: the command line that made it.

    Returns:
        Path of the page.
    """
    page = _comparison_page if results["study"] == "compare" else _study_page
    path = out / "report.html"
    path.write_text(page(results, out, command))
    return path


def _study_page(results: Mapping[str, Any], out: Path, command: str) -> str:
    sections = []
    for name, setting in SETTINGS.items():
        if members := [entry for entry in results["arms"] if entry["setting"] == name]:
            figure = _figure_of(members, results["study"])
            save_figure(figure, out / name.replace(" ", "_"))
            section = {"title": setting.title, "why": setting.why, "figure": _inline_svg(figure)}
            sections.append(section | {"rows": table_rows(members)})
    title, guide = GUIDES[results["study"]]
    return _template("study.html.jinja").render(
        title=title, guide=guide, sections=sections, table=_html_table, command=command, **_provenance(results)
    )


def _figure_of(entries: Sequence[Entry], study: str) -> Figure:
    if len(entries[0]["at"]) == 2:
        return map_figure(entries)
    return mechanism_figure(entries) if study == "mechanism" else ablation_figure(entries)


def _provenance(results: Mapping[str, Any]) -> dict[str, Any]:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    names = {"complete", "seconds", "made"}
    return {name: results[name] for name in names} | {"versions": versions, "seeds": results["arms"][0]["seeds"]}


def _comparison_page(results: Mapping[str, Any], out: Path, command: str) -> str:
    main = [entry for entry in results["arms"] if entry["setting"] == "main"]
    titles = {name: regime.title for name, regime in REGIMES.items()}
    figures = {"comparison": comparison_figure(main), "regimes": regime_figure(results["arms"], titles)}
    for name, figure in figures.items():
        save_figure(figure, out / name)
    world = main[0]["world"]
    tree = Tree(world["depth"], world["branching"])
    return _template("report.html.jinja").render(
        world=world,
        percent=lambda share: f"{100 * share:g} %",
        table=_html_table,
        main_rows=table_rows(main),
        main_figure=_inline_svg(figures["comparison"]),
        regime_figure=_inline_svg(figures["regimes"]),
        regimes=_regime_sections(results["arms"]),
        solved_above=SOLVED_ABOVE,
        start_entropy=f"{main[0]['curves']['entropy']['mean'][0]:.2f}",
        logits=tree.nodes * tree.branching,
        command=command,
        **_provenance(results),
    )


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((files("toy") / name).read_text())


def _regime_sections(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    sections = []
    for name, regime in REGIMES.items():
        if members := [entry for entry in entries if entry["setting"] == name]:
            sections.append({"title": regime.title, "why": regime.why, "rows": table_rows(members)})
    return sections


def _html_table(rows: Sequence[Sequence[str]]) -> Markup:
    head = "".join(f"<th>{column}</th>" for column in COLUMNS)
    body = "".join(
        f'<tr><td><span class="swatch" style="background:{style_of(row[0])[0]}"></span>{escape(row[0])}</td>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _inline_svg(figure: Figure) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]
