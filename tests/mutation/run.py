"""Mutation testing: ``python tests/mutation/run.py core`` (or ``judge``), and the report of it.

mutmut makes the mutants and keeps their verdicts. It starts pytest anew for each, which takes longer than most of these
tests run: here they are collected once (session.py), and a mutant runs those that call its function, until the first
fails. ``--sample N --seed S`` tries N mutants of each module, drawn at random. A second run goes on from the first;
``--again`` tries anew what no test noticed; ``--report`` reports an unfinished run; ``--fresh`` begins anew.
The report is written to results/mutants_NAME.txt.
"""

import argparse
import dataclasses
import datetime
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from mutmut import configuration
from mutmut.__main__ import create_mutants
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import (
    change_cwd,
    copy_also_copy_files,
    copy_src_dir,
    setup_source_paths,
    walk_mutatable_files,
)
from mutmut.utils.format_utils import get_module_from_key
from report import Bars, choose, listed_mutants, read_results, report
from session import KILLED, TIMEOUT, Collected, Coverage, Trials

ROOT = Path(__file__).parents[2]
PACKAGES = ("calibrl_ref", "cli", "toy", "full_scale")


@dataclasses.dataclass(frozen=True)
class Target:
    """What is mutated, and which tests must notice.

    Attributes:
        source: a package of this repository.
        only: patterns of its files; none: all.
        never: patterns of files that are left out.
        tests: pytest's selection.
        bars: what the run must reach.
        slowest: tests that take more processor seconds are left out.
        longest: processor seconds that the tests of one mutant may take together.
    """

    source: str
    only: tuple[str, ...]
    never: tuple[str, ...]
    tests: tuple[str, ...]
    bars: Bars
    slowest: float
    longest: float


TARGETS = {
    "core": Target("calibrl_ref", (), (), ("tests/core", "tests/integrations"), Bars(), slowest=30.0, longest=60.0),
    "judge": Target(
        "full_scale",
        (
            "full_scale/verifier/*.py",
            "full_scale/data/*.py",
            "full_scale/training/checkpoints.py",
            "*/tally.py",
            "*/quarantine.py",
        ),
        (  # code's rewards; what makes data; the client of a stronger model
            "full_scale/verifier/code*.py",
            "full_scale/data/shortcut.py",
            "full_scale/data/rendered.py",
            "full_scale/data/word_problems.py",
            "full_scale/data/making_experts.py",
            "full_scale/data/teacher.py",
        ),
        (
            "tests/full_scale/verifier",
            "tests/full_scale/data",
            "tests/full_scale/problems/test_quarantine.py",
            "tests/full_scale/training/test_checkpoints.py",
            "tests/full_scale/training/test_tally.py",
        ),
        Bars(killed_at_least=0.9, all_survivors_listed=False),
        slowest=1.0,
        longest=4.0,
    ),
}


def workspace(name: str, *, fresh: bool) -> Path:
    """Make the folder in which mutmut works on a target: links to this checkout, and mutmut's own copy beside them."""
    folder = ROOT / "mutants" / name
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in (*PACKAGES, "tutorials", "examples", "tests", "docs", "pyproject.toml"):
        if (ROOT / entry).exists() and not (folder / entry).exists():
            (folder / entry).symlink_to(ROOT / entry)
    return folder


def configure(target: Target) -> None:
    """Tell mutmut what it works on."""
    others = [Path(package) for package in PACKAGES if package != target.source]
    base = configuration.config()
    configuration._config = dataclasses.replace(
        base,
        source_paths=[Path(target.source)],
        resolved_mutated_source_paths=[Path.cwd() / "mutants" / target.source],
        only_mutate=list(target.only),
        do_not_mutate=[*base.do_not_mutate, *target.never],
        also_copy=[*base.also_copy, *others],
    )


def make_mutants() -> None:
    """Copy the sources and tests, with all mutants in them; a function that did not change keeps its verdicts."""
    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(1)


def all_mutants() -> dict[str, SourceFileMutationData]:
    """The file of every mutant, by the mutant's name."""
    found = {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        found |= dict.fromkeys(data.exit_code_by_key, data)
    return found


def try_all(names: list[str], mutants: dict[str, SourceFileMutationData], trials: Trials, *, again: bool) -> None:
    """Try every mutant that has no verdict, and with ``again`` those that no test noticed; keep each verdict."""
    done = (KILLED, TIMEOUT) if again else (0, *range(1, 256))
    left = [name for name in names if mutants[name].exit_code_by_key[name] not in done]
    begun = time.monotonic()
    for count, name in enumerate(left, 1):
        start = time.monotonic()
        mutants[name].exit_code_by_key[name] = trials.verdict(name)
        mutants[name].durations_by_key[name] = time.monotonic() - start
        with change_cwd(".."):
            mutants[name].save()
        if count % 50 == 0 or count == len(left):
            rate = count / (time.monotonic() - begun)
            minutes = (len(left) - count) / rate / 60
            print(f"{count} of {len(left)} mutants, {rate:.1f} a second, {minutes:.0f} minutes left", flush=True)


def run(target: Target, names: list[str], *, again: bool) -> None:
    """Collect the tests, see what each calls, and try mutants."""
    mutants = all_mutants()
    file = Path("coverage.json").resolve()
    with change_cwd("mutants"):
        collected = Collected([*target.tests, *configuration.config().pytest_add_cli_args])
        coverage = Coverage.load(file)
        coverage.add(collected.measure([name for name in collected.items if name not in coverage.seconds]))
        coverage.save(file)
        trials = Trials(collected, coverage, slowest=target.slowest, longest=target.longest)
        trials.check()
        try_all(names, mutants, trials, again=again)


def main() -> None:
    """Mutate, test, report; fail if the bars are not met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("mutants", nargs="*", help="names or patterns of mutants; none: all")
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants of each module, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the draw (default: 0)")
    parser.add_argument("--again", action="store_true", help="try anew what no test noticed")
    parser.add_argument("--report", action="store_true", help="only report what was tried so far")
    parser.add_argument("--fresh", action="store_true", help="forget the results of earlier runs")
    chosen = parser.parse_args()
    target, begun = TARGETS[chosen.target], datetime.datetime.now(datetime.UTC)
    os.chdir(workspace(chosen.target, fresh=chosen.fresh))
    sys.path = [path for path in sys.path if Path(path or ".").resolve() != ROOT]  # the mutated copy, not this checkout
    configure(target)
    if not chosen.report:
        make_mutants()
    everything = list(all_mutants())
    names = choose(everything, chosen.mutants, chosen.sample, chosen.seed)
    if not chosen.report:
        run(target, names, again=chosen.again)
    totals = Counter(map(get_module_from_key, everything))
    text, good = report(*read_results(names), totals, listed_mutants(), target.bars)
    if not chosen.mutants:
        how = f"{chosen.sample} of each module, seed {chosen.seed}" if chosen.sample else "all"
        head = f"tests/mutation/run.py {chosen.target}, mutants: {how}, {begun:%Y-%m-%d}"
        (ROOT / "results" / f"mutants_{chosen.target}.txt").write_text(f"{head}\n{text}\n", encoding="utf-8")
    print(text)
    sys.exit(not good)


if __name__ == "__main__":
    main()
