"""`python -m toy compare | ablate | phase | mechanism`: train and write a report; `watch`, `live`, `methods`."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from cli.flags import Parser, add_flag, add_flags
from cli.folder import Output
from cli.interruption import Interruption
from cli.names import check_choice
from toy.learning.settings import Training
from toy.studies.questions import STUDIES, Study
from toy.world import World
from toy.world.named import WORLDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    Args:
        arguments: without the program's name; by default those of this process.

    Returns:
        0; 2 after an error, which is said in a line; 130 after Ctrl-C, 143 after `kill`.
    """
    console = Console()
    if not console.is_terminal:  # a log file has no width of its own; this one keeps the tables whole
        console.width = 220
    given = list(sys.argv[1:] if arguments is None else arguments)
    with Interruption() as interruption:
        try:
            parsed = parse(given)
            from toy import commands  # torch, matplotlib and more, for which --help does not wait

            return commands.run(*parsed, given, console, interruption)
        except (ValueError, OSError) as error:
            console.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
            return 2


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, Parser, list[str]]:
    """Read a command line.

    Args:
        arguments: the command line, without the program's name.

    Returns:
        What it asks for, the command's parser, and the flags that it left: perhaps those of a method.

    Raises:
        ValueError: the command is unknown, or a value does not fit its flag.
    """
    parser, commands = _parsers()
    name = next(iter(arguments), "")
    if name not in ("-h", "--help"):
        check_choice("command", name, commands)
    options, rest = parser.parse_known_args(arguments)
    for setting, value in WORLDS[getattr(options, "world", "default")].items():
        if not hasattr(options, setting):  # what is given goes before the named world's
            setattr(options, setting, value)
    return options, commands[name], rest


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    """The program's parser, and each command's."""
    parser = Parser(prog="python -m toy", description=__doc__, lenient=True)
    group = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = partial(group.add_parser, lenient=True)  # a method may know what a command does not
    parsers = {name: add(name, help=study.text, description=study.text) for name, study in STUDIES.items()}
    for name, study in STUDIES.items():
        _add_study(parsers[name], name, study)
    text = "see the tree of paths in the terminal while a seed trains"
    parsers["watch"] = add("watch", help=text, description=text)
    _add_watch(parsers["watch"])
    text = "write the page on which GRPO and CalibRL train in a browser"
    parsers["live"] = add("live", help=text, description=text)
    live = Path("docs") / "live.html"
    parsers["live"].add_argument("--out", type=Path, default=live, metavar="PATH", help=f"the file (default: {live})")
    text = "list the methods, or the hyper-parameters of one"
    parsers["methods"] = add("methods", help=text, description=text)
    parsers["methods"].add_argument("name", nargs="?", default=None, metavar="NAME", help="of a method")
    return parser, parsers


def _add_study(parser: Parser, name: str, study: Study) -> None:
    out = Path("runs") / name
    add_flags(parser, Output, title="output folder", defaults={"out": out})
    parser.set_defaults(out=out)
    parser.add_argument("--seeds", type=int, default=32, metavar="INT", help="worlds and runs (default: 32)")
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=cores, metavar="INT", help="processes (default: all cores)")
    _add_method(parser, study.methods, several=study.several)
    text = "settings of world and training by name; flags change them; vlm-like has those of full_scale's tiny-shortcut"
    add_flag(parser, "world", str, text, tuple(WORLDS), "default")
    add_flags(parser, Training)
    add_flags(parser, World)


def _add_watch(parser: Parser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="INT", help="layout and random numbers (default: 0)")
    parser.add_argument("--delay", type=float, default=0.1, metavar="FLOAT", help="seconds a frame (default: 0.1)")
    _add_method(parser, ("calibrl",), several=False)
    parser.set_defaults(points=101)
    add_flags(parser, Training, defaults={"points": 101})
    add_flags(parser, World)


def _add_method(parser: Parser, default: Sequence[str], *, several: bool) -> None:
    text = "one of `python -m toy methods`, with its hyper-parameters as flags, --slope 0.3"
    many = "; several with theirs as calibrl:slope=0.3,weight=0.2" if several else ""
    parser.add_argument(
        "--method",
        nargs="+" if several else 1,
        metavar="NAME",
        default=list(default),
        help=f"{text}{many} (default: {' '.join(default)})",
    )


if __name__ == "__main__":
    sys.exit(main())
