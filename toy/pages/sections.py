"""What a study found, as sections: each a question with quantities (columns) and what is compared in them (lines).

A figure draws a panel for each column and a line for each line; a table has them as columns and rows; the page does
both, and lets the reader choose. The three are made from the same section, so they cannot disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from toy.pages.names import name_of
from toy.pages.palette import styles_of
from toy.studies.folder import figure_stem
from toy.studies.questions import PARTS, Part
from toy.world import KIND_COLOURS, Kind

Entry = Mapping[str, Any]
"""One method in one place, as results.json holds it."""

Curve = Mapping[str, Sequence[float]]
"""``mean``, ``low`` and ``high`` at each recorded step."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A quantity: a panel of a figure and a column of a table.

    Attributes:
        key: which of a line's curves.
        title: what it is.
        unit: of the vertical axis, or nothing.
        top: upper end of the axis; None: the largest value.
        symlog: whether the axis is logarithmic away from zero.
        panel: whether it is drawn; else it is in the table only.
        digits: decimals of its numbers.
        share: whether it is a share of the seeds, a count with Wilson's interval.
        dots: whether each seed's end is drawn beside the mean, which for runs of two kinds is a place of neither.
    """

    key: str
    title: str
    unit: str = ""
    top: float | None = None
    symlog: bool = False
    panel: bool = True
    digits: int = 3
    share: bool = False
    dots: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """What is compared: a line of a panel and a row of a table.

    Attributes:
        label: its name.
        colour: of the line, ``#rrggbb``.
        dash: of the line, as matplotlib writes it.
        curves: key of a column -> the curve.
        at: its place on the section's axes; where an axis is missing the line does not depend on it.
        seeds: how many runs it is the mean of.
        final: key of a column -> each seed's value at the end.
    """

    label: str
    colour: str
    dash: str
    curves: Mapping[str, Curve]
    at: Mapping[str, float] = field(default_factory=dict)
    seeds: int = 0
    final: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its label in words."""
        return name_of(self.label)

    @property
    def row(self) -> str:
        """Its label and its place on the axes."""
        return self._placed(self.label)

    @property
    def title(self) -> str:
        """Its name in a table: in words, with the place on the axes."""
        return self._placed(self.name)

    def _placed(self, name: str) -> str:
        place = ", ".join(f"{axis_label(axis)} {value:.3g}" for axis, value in self.at.items())
        return f"{name} ({place})" if place else name


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a study's page.

    Attributes:
        name: for files and links.
        title: its heading.
        why: its question.
        columns: the quantities.
        lines: what is compared.
        axes: of a map: name of a hyper-parameter -> its values; empty without a map.
        kinds: whether the lines have the mass on each kind of path.
    """

    name: str
    title: str
    why: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    axes: Mapping[str, list[float]] = field(default_factory=dict)
    kinds: bool = True

    @property
    def file_name(self) -> str:
        """Stem of its figure's files."""
        return figure_stem(self.name)


OUTCOMES = (
    Column(key="entropy", title="Exact entropy", unit="nats per decision"),
    Column(key="accuracy", title="Exact accuracy", top=1.0, dots=True),
    Column(key="coverage", title="Coverage", unit="share of the sound paths", top=1.0),
    Column(key="sound_mass", title="Probability of a sound path", top=1.0, panel=False),
    Column(key="solved", title="Seeds on a sound path", top=1.0, panel=False, share=True),
)
"""The columns of a section whose lines are methods."""

PUSHES = {
    "push_sound": ("sound paths", KIND_COLOURS[Kind.SOUND], "-"),
    "push_shortcut": ("shortcuts", "#000000", "-"),
    "push_expert": ("the expert's paths", "#D55E00", "--"),
}
CHANGES = {
    "entropy_change": ("measured", "#000000", "-"),
    "predicted_entropy_change": ("predicted, first order", "#56B4E9", "--"),
}

AXIS_LABELS = {
    "slope": "alpha",
    "exploration_weight": "lambda",
    "executable": "executable share",
    "sound_prior": "sound prior",
    "rollouts": "group size",
    "supervised_share": "supervised share",
}


def axis_label(axis: str) -> str:
    """How an axis is called in words."""
    return AXIS_LABELS.get(axis, axis.replace("_", " "))


def build_sections(results: Mapping[str, Any]) -> list[Section]:
    """The sections of a study, in the order of its page.

    Args:
        results: what :func:`toy.studies.results.summarise` returned; parts without a finished arm are left out.
    """
    sections = []
    for name, part in PARTS.items():
        if members := [entry for entry in results["arms"] if entry["part"] == name]:
            build = _map if members[0]["at"] else _curves
            sections.append(build(name, part, members, results["arms"]))
    return sections + (_mechanism(results["arms"]) if results["study"] == "mechanism" else [])


def _curves(name: str, part: Part, members: Sequence[Entry], _all: Sequence[Entry]) -> Section:
    styles = _ramp(members) if part.ordered else styles_of([entry["method"] for entry in members])
    lines = tuple(_line(entry, style) for entry, style in zip(members, styles, strict=True))
    return Section(name=name, title=part.title, why=part.why, columns=OUTCOMES, lines=lines)


def _map(name: str, part: Part, members: Sequence[Entry], everything: Sequence[Entry]) -> Section:
    methods = list(dict.fromkeys(entry["method"] for entry in members))
    styles = dict(zip(methods, styles_of(methods), strict=True))
    lines = [_line(entry, styles[entry["method"]]) for entry in members]
    if "grpo" not in methods:  # GRPO has neither slope nor weight: it is the same all over the map
        plain = [entry for entry in everything if entry["method"] == "grpo" and entry["world"] == members[0]["world"]]
        lines += [_line(entry, styles_of(["grpo"])[0]) for entry in plain[:1]]
    names = max((list(entry["at"]) for entry in members), key=len)
    axes = {axis: sorted({entry["at"][axis] for entry in members if axis in entry["at"]}) for axis in names}
    return Section(name=name, title=part.title, why=part.why, columns=OUTCOMES, lines=tuple(lines), axes=axes)


def _mechanism(entries: Sequence[Entry]) -> list[Section]:
    """A panel for each method: whom it pushes, and how the entropy answers."""
    columns = tuple(Column(key=entry["method"], title=entry["method"], symlog=True, digits=4) for entry in entries)
    return [
        Section(
            name=name,
            title=PARTS[name].title,
            why=PARTS[name].why,
            columns=columns,
            lines=tuple(
                Line(
                    label=label,
                    colour=colour,
                    dash=dash,
                    curves={entry["method"]: entry["curves"][metric] for entry in entries},
                    seeds=entries[0]["seeds"],
                )
                for metric, (label, colour, dash) in lines.items()
            ),
            kinds=False,
        )
        for name, lines in (("push", PUSHES), ("entropy change", CHANGES))
    ]


def _line(entry: Entry, style: tuple[str, str]) -> Line:
    colour, dash = style
    return Line(
        label=entry["method"],
        colour=colour,
        dash=dash,
        curves=entry["curves"],
        at=entry["at"],
        seeds=entry["seeds"],
        final=entry["final"],
    )


def _ramp(members: Sequence[Entry]) -> list[tuple[str, str]]:
    """Colours in order for the values of one number; GRPO stays black."""
    colours = [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0.0, 0.9, len(members)))]
    return [styles_of(["grpo"])[0] if entry["method"] == "grpo" else (colours.pop(), "-") for entry in members]
