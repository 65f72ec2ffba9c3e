"""`python -m toy compare | ablate | phase | mechanism | watch`: train on the toy and write a report, or watch."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from toy.learning.settings import Training
from toy.options import add_settings, read_settings
from toy.pages import watch
from toy.pages.report import key_numbers, terminal_table, write_report
from toy.pages.sections import build_sections
from toy.studies.arms import Arm
from toy.studies.folder import prepare_folder
from toy.studies.plans import plan
from toy.studies.questions import STUDIES
from toy.studies.results import summarise
from toy.studies.running import run_arms
from toy.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:  # a log file has no width of its own; this one keeps the tables whole
        console.width = 220
    try:
        return watch.run(options, console) if options.command == "watch" else _study(options, console)
    except (ValueError, FileExistsError) as error:
        console.print(f"error: {error}", style="bold red", markup=False)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m toy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, study in STUDIES.items():
        command = commands.add_parser(name, help=study.text, description=study.text)
        out = Path("runs") / name
        command.add_argument("--out", type=Path, default=out, help=f"output folder (default: {out})")
        command.add_argument("--seeds", type=int, default=32, help="independent worlds and runs (default: 32)")
        command.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
        command.add_argument("--force", action="store_true", help="replace a former study in the output folder")
        recipes = f"name, or name:option=value,option=value (default: {' '.join(study.methods)})"
        command.add_argument(
            "--recipe", nargs="+" if study.several else 1, metavar="RECIPE", default=list(study.methods), help=recipes
        )
        add_settings(command, Training)
        add_settings(command, World)
    watch.add_arguments(commands.add_parser("watch", help="see the tree of paths in the terminal while a seed trains"))
    return parser


def _study(options: argparse.Namespace, console: Console) -> int:
    arms = _arms(options)
    prepare_folder(options.out, arms, force=options.force)
    started = time.perf_counter()
    complete = _run(arms, options, console)
    seconds = time.perf_counter() - started
    results = summarise(options.command, arms, options.out, complete=complete, seconds=seconds)
    if not any(entry["part"] == arms[0].part for entry in results["arms"]):
        console.print("Interrupted before the first run was finished; the same command starts again.")
        return watch.INTERRUPTED
    report = write_report(results, options.out, command=shlex.join(["python", "-m", "toy", *sys.argv[1:]]))
    sections = build_sections(results)
    for section in sections:
        console.print(terminal_table(section))
    for line in key_numbers(sections):
        console.print(line, highlight=False, soft_wrap=True)
    if not complete:
        console.print("Interrupted: the report holds the finished runs; the same command continues.")
    console.print(f"Report: {report}", soft_wrap=True)
    return 0 if complete else watch.INTERRUPTED


def _arms(options: argparse.Namespace) -> list[Arm]:
    for name in ("seeds", "workers"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} {getattr(options, name)}: expected at least 1. Fix: raise it.")
    settings = read_settings(options, World), read_settings(options, Training), options.seeds
    return plan(options.command, options.recipe, *settings)


def _run(arms: Sequence[Arm], options: argparse.Namespace, console: Console) -> bool:
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    missing = [arm for arm in arms if not (options.out / "arms" / arm.file_name).exists()]
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=sum(len(arm.training.recorded_steps) for arm in missing))
        return run_arms(missing, options.out, workers=options.workers, on_point=lambda: progress.advance(task))


if __name__ == "__main__":
    sys.exit(main())
