"""Mutation testing by mutmut: ``python tests/mutation/run.py core`` (or ``judge``), and the report of it.

mutmut starts pytest anew for every mutant, and collecting these tests takes longer than most of them run. Here its fork
server collects them before the first mutant, and each mutant's child runs its own tests of that session, the quickest
first. What is mutated, which tests belong to a mutant, time limits and results stay mutmut's. A second run goes on from
the first; ``--fresh`` begins anew. The report is written to ``results/mutants_NAME.txt``.
"""

import argparse
import dataclasses
import datetime
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import mutmut.__main__
import pytest
from mutmut import configuration
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from report import Bars, listed_mutants, read_results, report

ROOT = Path(__file__).parents[2]
PACKAGES = ("calibrl_ref", "cli", "toy", "full_scale")


@dataclasses.dataclass(frozen=True)
class Target:
    """What is mutated, and which tests must notice.

    Attributes:
        source: a package of this repository.
        only: patterns of its files; none: all.
        tests: pytest's selection.
        bars: what the run must reach.
    """

    source: str
    only: tuple[str, ...]
    tests: tuple[str, ...]
    bars: Bars


TARGETS = {
    "core": Target("calibrl_ref", (), ("tests/core", "tests/integrations"), Bars()),
    "judge": Target(
        "full_scale",
        ("full_scale/verifier/*.py", "full_scale/data/*.py", "full_scale/training/checkpoints.py", "*/tally.py"),
        (
            "tests/full_scale/verifier",
            "tests/full_scale/data",
            "tests/full_scale/training/test_checkpoints.py",
            "tests/full_scale/training/test_tally.py",
        ),
        Bars(killed_at_least=0.9, all_survivors_listed=False),
    ),
}


class Collected:
    """A pytest session that is collected once, of which any part can be run in a forked child."""

    def __init__(self, arguments: list[str]) -> None:
        """Collect.

        Args:
            arguments: pytest's command line.
        """
        self.config = pytest.Config.fromdictargs({}, arguments)
        self.config._do_configure()
        self.session = pytest.Session.from_config(self.config)
        self.config.hook.pytest_sessionstart(session=self.session)
        self.config.hook.pytest_collection(session=self.session)
        self.items = {item.nodeid: item for item in self.session.items}

    def run(self, names: Iterable[str]) -> int:
        """Run tests until the first fails.

        Args:
            names: node ids.

        Returns:
            1 if one failed, else 0.
        """
        self.session.items = [self.items[name] for name in names]
        try:
            self.config.hook.pytest_runtestloop(session=self.session)
        except pytest.Session.Failed:
            return 1
        return int(self.session.testsfailed > 0)


def warm_up(runner: PytestRunner) -> None:
    """Collect the tests in the fork server, in place of mutmut's collection that is thrown away."""
    # mutmut leaves a file open around this call; the first test of every mutant would be blamed for it
    alone = ["-x", "-q", "--rootdir=.", "-p", "no:unraisableexception"]
    with change_cwd("mutants"):
        runner.collected = Collected(
            [*alone, *runner._pytest_add_cli_args_test_selection, *runner._pytest_add_cli_args]
        )


def run_tests(runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    """Run a mutant's tests in the session that is there; before the first mutant, as mutmut does it."""
    with change_cwd("mutants"):
        if hasattr(runner, "collected"):
            return runner.collected.run(sorted(tests, key=lambda name: state().duration_by_test[name]))
        return int(runner.execute_pytest(runner._pytest_args_regular_run(tests)))


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
        also_copy=[*base.also_copy, *others],
        pytest_add_cli_args_test_selection=list(target.tests),
    )
    PytestRunner.warm_up, PytestRunner.run_tests = warm_up, run_tests


def write_report(name: str, text: str, begun: datetime.datetime) -> None:
    """Keep the report of a whole run, with its date."""
    minutes = (datetime.datetime.now(datetime.UTC) - begun).total_seconds() / 60
    file = ROOT / "results" / f"mutants_{name}.txt"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"make mutants: {name}, {begun:%Y-%m-%d}, {minutes:.0f} minutes\n{text}\n", encoding="utf-8")


def main() -> None:
    """Mutate, test, report; fail if the bars are not met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("mutants", nargs="*", help="names or patterns of mutants; none: all")
    parser.add_argument("--fresh", action="store_true", help="forget the results of earlier runs")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    target, begun = TARGETS[chosen.target], datetime.datetime.now(datetime.UTC)
    os.chdir(workspace(chosen.target, fresh=chosen.fresh))
    sys.path = [path for path in sys.path if Path(path or ".").resolve() != ROOT]  # the mutated copy, not this checkout
    configure(target)
    mutmut.__main__._run(chosen.mutants, chosen.processes)
    text, good = report(*read_results(), listed_mutants(), target.bars)
    if not chosen.mutants:
        write_report(chosen.target, text, begun)
    print(text)
    sys.exit(not good)


if __name__ == "__main__":
    main()
