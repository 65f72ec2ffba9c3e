"""Which mutants belong to a run, and what it ends with: the score, and whether it meets the bars.

``docs/mutants.toml`` lists the equivalent mutants: the name, the changed line, and why no test can tell it
from the original. A name counts only with its line, so an entry that has become stale is an unlisted survivor.
"""

import math
import random
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import get_module_from_key
from scipy.stats import binomtest

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


def choose(names: list[str], patterns: list[str], sample: int | None, seed: int) -> list[str]:
    """Choose mutants.

    Args:
        names: all.
        patterns: of names; none: all.
        sample: at most so many of each module, drawn at random; None: all.
        seed: of the draw.

    Returns:
        Names: the first of every module, then the second of every module, and so on, so that a run that is cut
        short has tried a random sample of each.
    """
    modules = defaultdict(list)
    for name in sorted(names):
        if not patterns or any(fnmatch(name, pattern) for pattern in patterns):
            modules[get_module_from_key(name)].append(name)
    for module, members in modules.items():
        random.Random(f"{seed} {module}").shuffle(members)
    drawn = [(rank, name) for members in modules.values() for rank, name in enumerate(members[:sample])]
    return [name for _, name in sorted(drawn, key=lambda pair: pair[0])]


def changed_line(diff: str) -> str:
    """Return the line that a mutant's diff puts in, or, with its minus, the one that it only takes out."""
    changed = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    inserted = [line[1:].strip() for line in changed if line[0] == "+"]
    return inserted[0] if inserted else f"- {changed[0][1:].strip()}"


def report(
    status: Mapping[str, str],
    lines: Mapping[str, str],
    totals: Mapping[str, int],
    listed: Sequence[Mapping[str, str]],
    bars: Bars,
) -> tuple[str, bool]:
    """Sum up a run.

    Args:
        status: the verdict of every mutant that belongs to the run, by name.
        lines: the changed line of every mutant that was not killed.
        totals: how many mutants each module has; more than in ``status`` where that is a sample.
        listed: the equivalent mutants, each with name, line and reason.
        bars: what the run must reach.

    Returns:
        The text to print, and whether the run meets the bars.
    """
    equivalent = {(entry["name"], entry["line"]) for entry in listed if entry["reason"]}
    alive = [name for name, verdict in status.items() if verdict not in KILLED]
    unlisted = [name for name in alive if status[name] != "survived" or (name, lines[name]) not in equivalent]
    known, tried = len(alive) - len(unlisted), len(status)
    score, interval = _score(status, totals)
    good = score >= bars.killed_at_least and known <= EQUIVALENT_AT_MOST * tried
    if bars.all_survivors_listed:
        good = good and not unlisted
    text = [
        *(f"{status[name]}, not listed: {name}\n    {lines.get(name, '')}" for name in unlisted),
        f"{tried} of {sum(totals.values())} mutants: {dict(Counter(status.values()).most_common())}",
        f"killed {score:.1%}{interval} (at least {bars.killed_at_least:.0%}), equivalent {known} of {tried} "
        f"(at most {EQUIVALENT_AT_MOST:.0%}; listed in {LISTED.name}), other {len(unlisted)}",
        *_by_module(status, totals),
    ]
    return "\n".join(text), good


def _killed(status: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """How many mutants of each module were killed, of how many that were tried."""
    tried = Counter(get_module_from_key(name) for name in status)
    killed = Counter(get_module_from_key(name) for name, verdict in status.items() if verdict in KILLED)
    return {module: (killed[module], tried[module]) for module in sorted(tried)}


def _score(status: Mapping[str, str], totals: Mapping[str, int]) -> tuple[float, str]:
    """The share that is killed, each module by its number of mutants; and, of a sample, its 95 % interval.

    Reference:
        Cochran, Sampling Techniques (1977), Eqs. 5.52 and 5.57: stratified sampling for proportions.
    """
    modules = _killed(status)
    all_of_them = sum(totals[module] for module in modules)
    shares = {module: (totals[module] / all_of_them, *counts) for module, counts in modules.items()}
    score = sum(weight * killed / tried for weight, killed, tried in shares.values())
    variance = sum(
        weight**2 * (1 - tried / totals[module]) * killed * (tried - killed) / tried**2 / max(tried - 1, 1)
        for module, (weight, killed, tried) in shares.items()
    )
    if all(totals[module] == tried for module, (_, tried) in modules.items()):
        return score, ""
    return score, f" +- {1.96 * math.sqrt(variance):.1%}"


def _by_module(status: Mapping[str, str], totals: Mapping[str, int]) -> list[str]:
    """One line a module; with Wilson's 95 % interval where not all of its mutants were tried."""
    text = []
    for module, (killed, tried) in _killed(status).items():
        line = f"  {module}: {killed} of {tried} killed"
        if tried < totals[module]:
            interval = binomtest(killed, tried).proportion_ci(method="wilson")
            line += f", {killed / tried:.0%} [{interval.low:.0%}, {interval.high:.0%}] of its {totals[module]}"
        text.append(line)
    return text


def read_results(names: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Read the verdicts that mutmut keeps in the current folder.

    Args:
        names: of the mutants that belong to the run.

    Returns:
        The verdict of every one of them that was tried, and the changed line of those that were not killed.
    """
    chosen, status, lines = set(names), {}, {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            if name not in chosen or code is None:
                continue
            status[name] = status_by_exit_code[code]
            if status[name] not in KILLED:
                lines[name] = changed_line(get_diff_for_mutant(name, path=path))
    return status, lines


def listed_mutants() -> list[dict[str, str]]:
    """The equivalent mutants of docs/mutants.toml."""
    entries: list[dict[str, str]] = tomllib.loads(LISTED.read_text(encoding="utf-8"))["equivalent"]
    return entries
