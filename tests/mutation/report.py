"""What ``make mutants`` ends with: the score, and whether it meets the bars.

``docs/mutants.toml`` lists the equivalent mutants: the name, the changed line, and why no test can tell it
from the original. A name counts only with its line, so an entry that has become stale is an unlisted survivor.
"""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

LISTED = Path(__file__).parents[2] / "docs" / "mutants.toml"
KILLED = ("killed", "timeout")
EQUIVALENT_AT_MOST = 0.03


@dataclass(frozen=True)
class Bars:
    """What a run must reach.

    Attributes:
        killed_at_least: share of mutants that a test notices.
        all_survivors_listed: whether each other mutant must stand in docs/mutants.toml.
    """

    killed_at_least: float = 0.97
    all_survivors_listed: bool = True


def changed_line(diff: str) -> str:
    """Return the line that a mutant's diff puts in, or, with its minus, the one that it only takes out."""
    changed = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    inserted = [line[1:].strip() for line in changed if line[0] == "+"]
    return inserted[0] if inserted else f"- {changed[0][1:].strip()}"


def report(
    status: Mapping[str, str], lines: Mapping[str, str], listed: Sequence[Mapping[str, str]], bars: Bars
) -> tuple[str, bool]:
    """Sum up a run.

    Args:
        status: mutmut's verdict of every mutant, by name.
        lines: the changed line of every mutant that was not killed.
        listed: the equivalent mutants, each with name, line and reason.
        bars: what the run must reach.

    Returns:
        The text to print, and whether the run meets the bars.
    """
    equivalent = {(entry["name"], entry["line"]) for entry in listed if entry["reason"]}
    alive = [name for name, verdict in status.items() if verdict not in KILLED]
    unlisted = [name for name in alive if status[name] != "survived" or (name, lines[name]) not in equivalent]
    killed, known, total = len(status) - len(alive), len(alive) - len(unlisted), len(status)
    good = killed >= bars.killed_at_least * total and known <= EQUIVALENT_AT_MOST * total
    if bars.all_survivors_listed:
        good = good and not unlisted
    text = [
        *(f"{status[name]}, not listed: {name}\n    {lines.get(name, '')}" for name in unlisted),
        f"{total} mutants: {dict(Counter(status.values()).most_common())}",
        f"killed {killed} ({killed / total:.1%}, at least {bars.killed_at_least:.0%}), equivalent {known} "
        f"({known / total:.1%}, at most {EQUIVALENT_AT_MOST:.0%}; listed in {LISTED.name}), other {len(unlisted)}",
        *(f"  {module}: {count}" for module, count in _by_module(status).items()),
    ]
    return "\n".join(text), good


def _by_module(status: Mapping[str, str]) -> dict[str, str]:
    """How many mutants of each module were killed, of how many."""
    totals = Counter(name.rsplit(".", 1)[0] for name in status)
    killed = Counter(name.rsplit(".", 1)[0] for name, verdict in status.items() if verdict in KILLED)
    return {module: f"{killed[module]} of {totals[module]} killed" for module in sorted(totals)}


def read_results() -> tuple[dict[str, str], dict[str, str]]:
    """Read mutmut's results in the current folder.

    Returns:
        The verdict of every mutant by name, and the changed line of those that were not killed.
    """
    status, lines = {}, {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            status[name] = status_by_exit_code[code]
            if status[name] not in KILLED:
                lines[name] = changed_line(get_diff_for_mutant(name, path=path))
    return status, lines


def listed_mutants() -> list[dict[str, str]]:
    """The equivalent mutants of docs/mutants.toml."""
    entries: list[dict[str, str]] = tomllib.loads(LISTED.read_text(encoding="utf-8"))["equivalent"]
    return entries
