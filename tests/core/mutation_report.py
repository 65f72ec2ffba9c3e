"""What ``make mutants`` ends with: the score, and whether every survivor is known to be equivalent.

``docs/mutants.toml`` lists the equivalent mutants: the name, the changed line, and why no test can tell it
from the original. A name counts only with its line, so an entry that has become stale is an unlisted survivor.
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

LISTED = Path(__file__).parents[2] / "docs" / "mutants.toml"
KILLED = ("killed", "timeout")
EQUIVALENT_AT_MOST, SCORE_AT_LEAST = 0.03, 0.97


def changed_line(diff: str) -> str:
    """Return the line that a mutant's diff puts in, or, with its minus, the one that it only takes out."""
    changed = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    inserted = [line[1:].strip() for line in changed if line[0] == "+"]
    return inserted[0] if inserted else f"- {changed[0][1:].strip()}"


def report(
    status: Mapping[str, str], lines: Mapping[str, str], listed: Sequence[Mapping[str, str]]
) -> tuple[str, bool]:
    """Sum up a run.

    Args:
        status: mutmut's verdict of every mutant, by name.
        lines: the changed line of every mutant that was not killed.
        listed: the equivalent mutants, each with name, line and reason.

    Returns:
        The text to print, and whether the run meets the bars.
    """
    equivalent = {(entry["name"], entry["line"]) for entry in listed if entry["reason"]}
    alive = [name for name, verdict in status.items() if verdict not in KILLED]
    unlisted = [name for name in alive if status[name] != "survived" or (name, lines[name]) not in equivalent]
    counts = Counter(status.values())
    killed, known, total = len(status) - len(alive), len(alive) - len(unlisted), len(status)
    good = not unlisted and killed >= SCORE_AT_LEAST * total and known <= EQUIVALENT_AT_MOST * total
    text = [
        *(f"{status[name]}, not listed: {name}\n    {lines.get(name, '')}" for name in unlisted),
        f"{total} mutants of calibrl_ref: {dict(counts.most_common())}",
        f"killed {killed} ({killed / total:.1%}, at least {SCORE_AT_LEAST:.0%}), equivalent {known} "
        f"({known / total:.1%}, at most {EQUIVALENT_AT_MOST:.0%}; listed in {LISTED.name}), other {len(unlisted)}",
    ]
    return "\n".join(text), good


def main() -> None:
    """Read mutmut's results in the current folder, print the report, and fail if it does not meet the bars."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files

    status, lines = {}, {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            status[name] = status_by_exit_code[code]
            if status[name] not in KILLED:
                lines[name] = changed_line(get_diff_for_mutant(name, path=path))
    text, good = report(status, lines, tomllib.loads(LISTED.read_text())["equivalent"])
    print(text)
    sys.exit(not good)


if __name__ == "__main__":
    main()
