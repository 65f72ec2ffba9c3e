"""Speed and memory, side by side with peers: prints one table and writes results/bench.json.

python -m benchmarks                        # all of it: minutes on two idle cores
python -m benchmarks toy "step, 448 px"     # some sections; the others stay in the file
python -m benchmarks --compare              # also what changed since the file was written, by more than the spread
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from functools import partial

from benchmarks import core, full_scale, heads, toy, verifier
from benchmarks.rows import FILE, Row, changes, load, save, table
from cli.names import check_choice

SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "import": core.import_rows,
    "toy": toy.rows,
    "step, 448 px": partial(full_scale.step_rows, 448, steps=2),
    "growth": full_scale.growth_rows,
    "step, 112 px": partial(full_scale.step_rows, 112, steps=9),
    "heads": heads.rows,
    "verifier": verifier.rows,
    "objectives": core.objective_rows,
}
ONE_THREAD = ("step, 448 px", "growth", "step, 112 px", "heads", "verifier", "objectives")
"""Sections that may be measured two at once."""


def in_own_process(section: Callable[[], list[Row]]) -> list[Row]:
    """A section's rows from a process that measured nothing before: a child's peak of memory begins at its parent's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=full_scale.quiet) as process:
        return process.submit(section).result()


def measured(names: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Measure sections: those that use the whole machine alone, then those of one thread, two at once.

    Each of these has its peer in turns beside it, in the same process, and counts processor seconds.

    Args:
        names: Sections.

    Yields:
        A name and its rows, as soon as they are there.
    """
    start = time.monotonic()
    alone, beside = [name for name in names if name not in ONE_THREAD], [name for name in names if name in ONE_THREAD]
    for group, at_once in ((alone, 1), (beside, 2)):
        with ThreadPoolExecutor(at_once) as threads:
            found = {threads.submit(in_own_process, SECTIONS[name]): name for name in group}
            for done in as_completed(found):
                print(f"{found[done]}: done after {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
                yield found[done], done.result()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and save.

    Args:
        arguments: Command line; None reads ``sys.argv``.

    Raises:
        ValueError: There is no such section.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(map(repr, SECTIONS))}; default: all")
    parser.add_argument("--compare", action="store_true", help=f"tell what changed since {FILE} was written")
    given = parser.parse_args(arguments)
    for name in given.sections:
        check_choice("section", name, SECTIONS)
    before, now = load(FILE), dict[str, Sequence[Row]]()
    for name, rows in measured(given.sections or list(SECTIONS)):
        now[name] = rows
        save(FILE, {name: rows}, list(SECTIONS))
    now = {name: now[name] for name in SECTIONS if name in now}
    print("Medians, and in brackets the best. Ratios are of turns.\n")
    print(table(now))
    if given.compare:
        print("\n".join(["", *(changes(before, now) or ["nothing changed by more than the spread"])]))


if __name__ == "__main__":
    main()
