"""What the commands do, from the parsed command line to the exit status."""

import argparse
import inspect
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from calibrl_ref import RECIPES, SCHEDULES, HyperParameter, hyper_parameters, read_method
from cli.flags import Parser, flag_of, read_flags
from cli.folder import Output
from cli.interruption import Interruption
from toy.learning.methods import parse_method, with_options
from toy.learning.settings import Training
from toy.pages.live import write_live
from toy.pages.report import conclusions, terminal_table, write_report
from toy.pages.sections import build_sections
from toy.pages.watch import watch
from toy.studies.arms import Arm, load_curves
from toy.studies.folder import study_folder
from toy.studies.plans import plan
from toy.studies.results import summarise
from toy.studies.running import run_arms
from toy.world import World


def run(
    options: argparse.Namespace,
    parser: Parser,
    rest: Sequence[str],
    arguments: Sequence[str],
    console: Console,
    interruption: Interruption,
) -> int:
    """Do what a command line asks for.

    Args:
        options: its flags.
        parser: the command's, for its errors.
        rest: flags that the parser does not know.
        arguments: the whole command line, for the report.
        console: where to write.
        interruption: where a signal is remembered.

    Returns:
        The exit status.

    Raises:
        ValueError: a flag or its value is wrong, or the output folder may not be used.
    """
    if options.command in ("methods", "live"):
        parser.refuse(rest)
        if options.command == "methods":
            _show_methods(options.name, console)
        else:
            console.print(f"Open in a browser: {write_live(options.out)}", soft_wrap=True)
        return 0
    options.method = _methods(options.method, parser, rest)
    if options.command == "watch":
        settings = parse_method(options.method[0]), read_flags(options, World), read_flags(options, Training)
        watch(*settings, seed=options.seed, delay=options.delay, console=console, interruption=interruption)
        return interruption.status
    return _study(options, shlex.join(["python", "-m", "toy", *arguments]), console, interruption)


def _methods(named: Sequence[str], parser: Parser, rest: Sequence[str]) -> list[str]:
    """The methods' names, with hyper-parameters that were given as flags."""
    for method in named:
        parse_method(method)
    flags = [flag_of(item.name) for method in named for item in hyper_parameters(read_method(method)[0])]
    if len(named) > 1 and (own := [text for text in rest if text.partition("=")[0] in flags]):
        hint = f"{named[0].partition(':')[0]}:{own[0].partition('=')[0].removeprefix('--').replace('-', '_')}=..."
        raise ValueError(f"{own[0]}: of which of {len(named)} methods? Fix: write it with its method, --method {hint}")
    if len(named) > 1:
        parser.refuse(rest)
        return list(named)
    method, rest = with_flags(named[0], rest)
    parser.refuse(rest, more=flags)
    return [method]


def with_flags(method: str, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The method's name with the hyper-parameters that a command line has as flags.

    Args:
        method: its name, perhaps with options.
        arguments: flags and values of a command line.

    Returns:
        The name, and the arguments that are no hyper-parameters.

    Example:
        >>> with_flags("calibrl", ["--slope", "0.3", "--no-weighted", "--seeds", "4"])
        ('calibrl:slope=0.3,weighted=false', ['--seeds', '4'])
    """
    parser = Parser(prog=f"python -m toy methods {method}", add_help=False, lenient=True)
    for item in hyper_parameters(read_method(method)[0]):
        if item.kind is bool:
            parser.add_argument(flag_of(item.name), action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(flag_of(item.name))
    given, rest = parser.parse_known_args(arguments)
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in vars(given).items()}
    return with_options(method, ",".join(f"{name}={value}" for name, value in texts.items())), rest


def _show_methods(name: str | None, console: Console) -> None:
    """List the methods, or the hyper-parameters of one."""
    rows: list[tuple[str, ...]]
    titles: tuple[str, ...] = ("method", "what it is")
    if name is None:
        rows = [(each, _about(each)) for each in (*RECIPES, *SCHEDULES)]
    else:
        found = hyper_parameters(read_method(name)[0])
        rows = [(flag_of(item.name), _values(item), str(item.default), item.documentation) for item in found]
        titles = ("flag", "values", "default", "meaning")
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table, highlight=False)


def _about(method: str) -> str:
    if method in RECIPES:
        return (inspect.getdoc(RECIPES[method]) or "").partition("\n")[0]
    return ", then ".join(f"{recipe} ({share:.0%} of the steps)" for recipe, share in SCHEDULES[method])


def _values(item: HyperParameter) -> str:
    kind = "true, false" if item.kind is bool else ", ".join(item.choices) or item.kind.__name__
    return f"{kind}, none" if item.optional else kind


def _study(options: argparse.Namespace, command: str, console: Console, interruption: Interruption) -> int:
    arms = _arms(options)
    with study_folder(read_flags(options, Output), arms):
        started = time.perf_counter()
        complete = _train(arms, options, console, interruption)
        seconds = time.perf_counter() - started
        results = summarise(options.command, arms, options.out, complete=complete, seconds=seconds)
        if not any(entry["part"] == arms[0].part for entry in results["arms"]):
            console.print("Interrupted before the first run was finished; the same command with --resume starts again.")
            return interruption.status
        report = write_report(results, options.out, command=command)
        _print(results, console)
    if not complete:
        console.print("Interrupted: the report holds the finished runs; the same command with --resume continues.")
    console.print(f"Report: {report}", soft_wrap=True)
    return 0 if complete else interruption.status


def _print(results: Mapping[str, Any], console: Console) -> None:
    """Print the default world and what follows from it, or all parts of a study without it; the page has the rest."""
    sections = build_sections(results)
    main = [section for section in sections if section.name == "main" and results["study"] == "compare"]
    for section in main or sections:
        console.print(terminal_table(section, console.width))
    for line in conclusions(sections):
        console.print(f"{line}.", highlight=False)


def _arms(options: argparse.Namespace) -> list[Arm]:
    for name in ("seeds", "workers"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} {getattr(options, name)}: expected at least 1. Fix: raise it.")
    settings = read_flags(options, World), read_flags(options, Training), options.seeds
    return plan(options.command, options.method, *settings)


def _train(arms: Sequence[Arm], options: argparse.Namespace, console: Console, interruption: Interruption) -> bool:
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    missing = [arm for arm in arms if load_curves(arm, options.out) is None]
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=sum(len(arm.training.recorded_steps) for arm in missing))
        return run_arms(
            missing,
            options.out,
            workers=options.workers,
            interruption=interruption,
            on_point=lambda: progress.advance(task),
        )
