"""One pytest session, collected once: which function each test calls, and what each mutant's tests say.

Every run of tests happens in a forked child, so that no test, and no mutant, can disturb the next. The child names each
test before it runs; the parent ends a child that falls silent.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import get_module_from_key, mangled_name_from_mutant_name

KILLED, SURVIVED, NO_TESTS, TIMEOUT = 1, 0, 33, 36
"""Verdicts, as mutmut numbers them."""

CPU_SECONDS, SILENT_SECONDS = 3.0, 120.0
"""A test ends as "timeout" after 10 times its own processor time and CPU_SECONDS, or SILENT_SECONDS of the clock."""


@dataclass
class Coverage:
    """What is known of the tests of the unmutated code.

    Attributes:
        tests: the tests that call a function, by mutmut's name of it.
        seconds: processor time of every test, its children's included.
    """

    tests: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> "Coverage":
        """Read what ``save`` wrote; nothing is known where there is no file."""
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else cls()

    def save(self, file: Path) -> None:
        """Write a json file."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def add(self, other: "Coverage") -> None:
        """Take over what is known of other tests."""
        self.seconds |= other.seconds
        for function, tests in other.tests.items():
            self.tests[function] = sorted({*self.tests.get(function, []), *tests})


class Recorder:
    """A pytest plugin that fills a coverage."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.calls: defaultdict[str, set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self._begun = 0.0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Start this test's clock."""
        state()._stats.clear()
        self._begun = sum(os.times()[:4])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a failure's text."""
        if report.failed:
            self.failed.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Read the clock, and which functions were called."""
        self.seconds[nodeid] = sum(os.times()[:4]) - self._begun
        for function in state()._stats:
            self.calls[function].add(nodeid)


class Announcer:
    """A pytest plugin that says which test is running, and gives each its own limit of processor time."""

    def __init__(self, pipe: int, seconds: dict[str, float]) -> None:
        """Write to a pipe.

        Args:
            pipe: file descriptor.
            seconds: usual processor time of every test.
        """
        self.pipe, self.seconds = pipe, seconds

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Name the test, and begin its limit."""
        os.write(self.pipe, f"{nodeid}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS + 10 * self.seconds[nodeid])


class Collected:
    """The collected tests."""

    def __init__(self, arguments: list[str]) -> None:
        """Collect.

        Args:
            arguments: pytest's command line.

        Raises:
            RuntimeError: Some test cannot be collected.
        """
        set_mutant_under_test("")
        self.config = pytest.Config.fromdictargs({}, ["-q", "--tb=native", "--rootdir=.", *arguments])
        self.config._do_configure()
        self.session = pytest.Session.from_config(self.config)
        self.config.hook.pytest_sessionstart(session=self.session)
        self.config.hook.pytest_collection(session=self.session)
        if self.session.testsfailed:
            raise RuntimeError(f"{self.session.testsfailed} errors while collecting the tests")
        self.items = {item.nodeid: item for item in self.session.items}
        self.config.pluginmanager.unregister(name="terminalreporter")

    def run(self, names: Iterable[str], plugin: object, *, stop_at_first: bool) -> int:
        """Run tests in this process.

        Args:
            names: node ids.
            plugin: hears of every test.
            stop_at_first: whether the first failure ends the run.

        Returns:
            1 if a test failed, else 0.
        """
        self.session.items = [self.items[name] for name in names]
        self.config.option.maxfail = int(stop_at_first)
        self.config.pluginmanager.register(plugin)
        with contextlib.suppress(pytest.Session.Failed):
            self.config.hook.pytest_runtestloop(session=self.session)
        return int(self.session.testsfailed > 0)

    def measure(self, names: list[str]) -> Coverage:
        """Run tests on the unmutated code, and see which functions each calls.

        Raises:
            RuntimeError: A test fails.
        """
        if not names:
            return Coverage()

        def record(file: int) -> int:
            recorder = Recorder()
            set_mutant_under_test("stats")
            failed = self.run(names, recorder, stop_at_first=False)
            tests = {function: sorted(tests) for function, tests in recorder.calls.items()}
            found = {"failed": recorder.failed, "tests": tests, "seconds": recorder.seconds}
            os.write(file, b"measured\n")
            Path("measured.json").write_text(json.dumps(found), encoding="utf-8")
            return failed

        code, _ = in_child(self.config, record, silent_seconds=3600)
        found = json.loads(Path("measured.json").read_text(encoding="utf-8"))
        if code or found["failed"]:
            raise RuntimeError("tests fail without a mutant:\n" + "\n".join(found["failed"]))
        return Coverage(found["tests"], found["seconds"])

    def judge(self, mutant: str, names: list[str], seconds: dict[str, float]) -> tuple[int, str]:
        """Run a mutant's tests until one fails.

        Args:
            mutant: mutmut's name of it; "fail" makes every mutated function fail.
            names: tests in the order in which they are tried.
            seconds: usual processor time of every test.

        Returns:
            The verdict and the last test that ran.
        """

        def run(pipe: int) -> int:
            set_mutant_under_test(mutant)
            return self.run(names, Announcer(pipe, seconds), stop_at_first=True)

        code, last = in_child(self.config, run, silent_seconds=SILENT_SECONDS)
        return {0: SURVIVED, -signal.SIGPROF: TIMEOUT, -signal.SIGKILL: TIMEOUT}.get(code, KILLED), last


def in_child(config: pytest.Config, work: Callable[[int], int], *, silent_seconds: float) -> tuple[int, str]:
    """Run something in a forked child with a temporary folder of its own.

    Args:
        config: the session's, whose temporary folder the child replaces.
        work: gets a pipe for its messages, one a line; returns the exit code.
        silent_seconds: after so long without a message the child is ended.

    Returns:
        The exit code, or minus the signal that ended the child; and the last message.
    """
    folder = tempfile.mkdtemp(prefix="mutant")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _as_child(config, work, writer, folder)
    os.close(writer)
    last = ""
    while select.select([reader], [], [], silent_seconds)[0]:
        text = os.read(reader, 65536).decode(errors="replace")
        if not text:
            break
        last = text.splitlines()[-1]
    else:
        os.killpg(child, signal.SIGKILL)
    os.close(reader)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ProcessLookupError):  # what the tests started and left running
        os.killpg(child, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    return code, last


def _as_child(config: Any, work: Callable[[int], int], writer: int, folder: str) -> None:
    """Do the work, silently, and end this process."""
    code = KILLED
    try:
        os.setpgid(0, 0)
        os.set_inheritable(writer, False)
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        config._tmp_path_factory._basetemp = Path(folder)
        code = work(writer)
    finally:
        os._exit(code)


class Trials:
    """Mutants against the tests that call their function, the likeliest to notice first."""

    def __init__(self, collected: Collected, coverage: Coverage, *, slowest: float, longest: float) -> None:
        """Begin.

        Args:
            collected: the tests.
            coverage: what is known of them.
            slowest: tests that take more processor seconds are left out: they could only raise the score.
            longest: processor seconds of one mutant's tests together; later ones are left out too.
        """
        self.collected, self.coverage = collected, coverage
        self.slowest, self.longest = slowest, longest
        self.killers: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def tests(self, mutant: str) -> list[str]:
        """A mutant's tests: those that noticed another mutant of its function, its module's own, the quickest."""
        function = mangled_name_from_mutant_name(mutant)
        own = f"/test_{get_module_from_key(function).rpartition('.')[2]}.py::"
        seconds, killers = self.coverage.seconds, list(self.killers[function])

        def rank(name: str) -> tuple[int, float]:
            return (killers.index(name) - len(killers) if name in killers else own not in name), seconds[name]

        known = (name for name in self.coverage.tests.get(function, []) if name in self.collected.items)
        ordered = sorted((name for name in known if seconds[name] <= self.slowest), key=rank)
        together = list(accumulate(seconds[name] for name in ordered))
        return ordered[: bisect_right(together, self.longest)]

    def verdict(self, mutant: str) -> int:
        """Try one mutant."""
        tests = self.tests(mutant)
        if not tests:
            return NO_TESTS
        verdict, last = self.collected.judge(mutant, tests, self.coverage.seconds)
        if verdict == KILLED:
            self.killers[mangled_name_from_mutant_name(mutant)][last] = None
        return verdict

    def check(self) -> None:
        """See that a fault is noticed, and that no fault is no failure.

        Raises:
            RuntimeError: It is not so.
        """
        tests = min(self.coverage.tests.values(), key=lambda names: (len(names), names))
        for mutant, expected in (("fail", KILLED), ("", SURVIVED)):
            verdict, last = self.collected.judge(mutant, tests, self.coverage.seconds)
            if verdict != expected:
                raise RuntimeError(f"mutant={mutant!r}: expected the verdict {expected}, got {verdict} at {last!r}")
