"""What a benchmark finds: rows, each of ours beside a peer's in turns; one table, one file, and what changed since."""

import json
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

FILE = Path("results/bench.json")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of ours beside a peer's.

    Attributes:
        name: What is measured.
        unit: Of the figures.
        ours: Median of ours.
        best: The least of ours (the largest of a rate): what else the machine does makes a run longer, never shorter.
        peer: Name of the peer; "" where there is none.
        theirs: Median of the peer's.
        their_best: The best of the peer's.
        ratio: Ours over theirs, the median over turns.
        spread: The least and the largest of these.
        bar: What the ratio, or without a peer the figure, is to keep to: at most; of a rate at least.
        rate: Whether more is better.
    """

    name: str
    unit: str
    ours: float
    best: float
    peer: str = ""
    theirs: float = 0.0
    their_best: float = 0.0
    ratio: float = 0.0
    spread: tuple[float, float] = (0.0, 0.0)
    bar: float | None = None
    rate: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        unit: str,
        ours: Sequence[float],
        *,
        peer: str = "",
        theirs: Sequence[float] = (),
        bar: float | None = None,
        rate: bool = False,
    ) -> "Row":
        """A row of measurements in turns.

        Args:
            name: What is measured.
            unit: Of the figures.
            ours: One figure for each turn.
            peer: Name of the peer.
            theirs: The peer's, in the same turns.
            bar: See the class.
            rate: Whether more is better.

        Returns:
            The row.

        Example:
            >>> row = Row.of("step", "s", [2.0, 3.0], peer="stock", theirs=[4.0, 4.0])
            >>> row.best, row.ratio, row.spread
            (2.0, 0.625, (0.5, 0.75))
        """
        best = max if rate else min
        row = cls(name=name, unit=unit, ours=statistics.median(ours), best=best(ours), bar=bar, rate=rate)
        if not theirs:
            return row
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        return replace(
            row,
            peer=peer,
            theirs=statistics.median(theirs),
            their_best=best(theirs),
            ratio=statistics.median(ratios),
            spread=(min(ratios), max(ratios)),
        )

    @property
    def keeps_to_the_bar(self) -> bool | None:
        """Whether it does; None where there is none."""
        if self.bar is None:
            return None
        figure = self.ratio if self.peer else self.ours
        return figure >= self.bar if self.rate else figure <= self.bar


def in_turns(ours: Callable[[], float], theirs: Callable[[], float], turns: int) -> tuple[list[float], list[float]]:
    """Measure two things in turns, so that a busy minute of the machine is shared.

    Args:
        ours: Makes one measurement.
        theirs: The peer's.
        turns: How often.

    Returns:
        The figures of both.
    """
    pairs = [(ours(), theirs()) for _ in range(turns)]
    return [mine for mine, _ in pairs], [other for _, other in pairs]


def table(sections: dict[str, Sequence[Row]]) -> str:
    """All rows as one Markdown table.

    Args:
        sections: Name -> rows.

    Returns:
        Its text.
    """
    lines = ["| what | unit | ours | peer | ours / peer, least to most | bar |", "|---|---|---|---|---|---|"]
    for section, rows in sections.items():
        lines.append(f"| **{section}** | | | | | |")
        lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _line(row: Row) -> str:
    ours = f"{_figure(row.ours)} ({_figure(row.best)})"
    theirs = f"{row.peer} {_figure(row.theirs)} ({_figure(row.their_best)})" if row.peer else ""
    ratio = f"**{row.ratio:.3f}** [{row.spread[0]:.3f}, {row.spread[1]:.3f}]" if row.peer else ""
    verdict = {None: "", True: "kept", False: "MISSED"}[row.keeps_to_the_bar]
    bar = f"{'≥' if row.rate else '≤'} {_figure(row.bar)} {verdict}" if row.bar is not None else ""
    return f"| {row.name} | {row.unit} | {ours} | {theirs} | {ratio} | {bar} |"


def _figure(value: float) -> str:
    """Three digits; thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """The machine as far as it matters to speed; nothing that tells which one it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(models),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def provenance() -> dict[str, Any]:
    """When, with which commit and on what machine something is measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": commit.strip(), "machine": machine()}


def load(file: Path) -> dict[str, list[Row]]:
    """The rows of a file.

    Args:
        file: Of :func:`save`; nothing where it is missing.

    Returns:
        Section -> rows.
    """
    if not file.is_file():
        return {}
    sections = json.loads(file.read_text())["sections"]
    return {
        name: [Row(**row | {"spread": tuple(row["spread"])}) for row in section["rows"]]
        for name, section in sections.items()
    }


def save(file: Path, sections: dict[str, Sequence[Row]], order: Sequence[str]) -> None:
    """Write sections into a file; others that are in it stay.

    Args:
        file: Where.
        sections: Section -> rows, measured now on this machine.
        order: Of all sections in the file.
    """
    kept = json.loads(file.read_text())["sections"] if file.is_file() else {}
    about = provenance()
    kept |= {name: about | {"rows": [asdict(row) for row in rows]} for name, rows in sections.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"sections": {name: kept[name] for name in order if name in kept}}, indent=1) + "\n")


def changes(before: dict[str, list[Row]], now: dict[str, Sequence[Row]]) -> list[str]:
    """What changed by more than the spread of both.

    Args:
        before: Section -> rows of a former file.
        now: Section -> rows measured now; other sections are not looked at.

    Returns:
        A line for each row that did, and for each that is new or gone.
    """
    found = []
    for section, rows in now.items():
        former = {row.name: row for row in before.get(section, [])}
        current = {row.name: row for row in rows}
        found += [f"{section}: {name}: new" for name in current if name not in former]
        found += [f"{section}: {name}: gone" for name in former if name not in current]
        for name in current.keys() & former.keys():
            old, new = former[name], current[name]
            if new.peer and (new.spread[0] > old.spread[1] or new.spread[1] < old.spread[0]):
                word = "better" if (new.ratio > old.ratio) == new.rate else "worse"
                found.append(f"{section}: {name}: {word}, {old.ratio:.3f} -> {new.ratio:.3f} x {new.peer}")
    return sorted(found)
