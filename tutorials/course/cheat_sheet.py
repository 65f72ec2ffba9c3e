"""Write the cheat sheet from the table of formulas: ``python -m course.cheat_sheet`` in tutorials/."""

import inspect
from pathlib import Path

import calibrl_ref
from course.formulas import SECTIONS, Formula

CHEAT_SHEET = Path(__file__).resolve().parents[1] / "cheat_sheet.md"

_HEAD = """\
# Cheat sheet

Every formula of the course, and the function of `calibrl_ref` that computes it. Log-probabilities, gaps and entropies
are in nats; advantages, ratios and weights have no unit. This page is made from `course/formulas.py`, where tests
compare each formula with its function.
"""


def written() -> str:
    """Return the page."""
    sections = (f"\n## {title}\n\n{_table(formulas)}" for title, formulas in SECTIONS.items())
    return _HEAD + "".join(sections)


def _table(formulas: dict[str, Formula]) -> str:
    rows = (f"| {formula.says} | ${formula.latex}$ | {_link(name)} |\n" for name, formula in formulas.items())
    return "| what | formula | function |\n|---|---|---|\n" + "".join(rows)


def _link(name: str) -> str:
    module = inspect.getmodule(getattr(calibrl_ref, name))
    path = f"{getattr(module, '__name__', '').replace('.', '/')}.py"
    return f"[`{name}`](../{path})"


if __name__ == "__main__":
    CHEAT_SHEET.write_text(written(), encoding="utf-8")
