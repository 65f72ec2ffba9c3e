"""`python -m toy watch`: the tree of paths in the terminal while one seed trains.

Kinds of path have a colour and a letter, so a frame reads without colours too; without a terminal the frames are
printed one below the other.
"""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree as Branches

from cli.interruption import Interruption
from toy.learning.methods import Method
from toy.learning.population import Population
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import Kind, Tree, World

MARKS: dict[Kind, tuple[str, str]] = {
    Kind.SOUND: ("S", "bold green"),
    Kind.SHORTCUT: ("C", "yellow"),
    Kind.FLAWED: ("F", "magenta"),
    Kind.UNSOUND: ("u", "bright_black"),
}
"""Kind -> its letter and its colour."""

BLOCKS = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 32
OTHER_LINES = 7
"""Lines of a frame beside the tree: title, four quantities, legend, root, remaining paths."""


@dataclass(frozen=True)
class Snapshot:
    """One policy, as a frame shows it.

    Attributes:
        step: batches trained so far.
        entropy: exact, nats per decision, averaged over families.
        accuracy: exact, averaged over families.
        path_prob: probability of each path for the first family of prompts, ``[paths]``.
        kind: kind of each path, ``[paths]``.
        success: chance that each path is verified for the first family, ``[paths]``.
        shown: whether the expert shows the path to the first family, ``[paths]``.
    """

    step: int
    entropy: float
    accuracy: float
    path_prob: NDArray[np.float64]
    kind: NDArray[np.int64]
    success: NDArray[np.float64]
    shown: NDArray[np.bool_]

    @classmethod
    def of(cls, step: int, population: Population) -> "Snapshot":
        """Enumerate the first member of a population."""
        with torch.no_grad():
            node_log_prob = population.node_log_prob()
            exact = population.measure(node_log_prob)
            path_prob = population.exact.path_log_prob(node_log_prob).exp()[0, 0].numpy()
        kind, success = population.kind[0, 0].numpy(), population.success[0, 0].numpy()
        shown = np.isin(np.arange(len(kind)), population.demonstration[0, 0].numpy())
        return cls(step, float(exact["entropy"][0]), float(exact["accuracy"][0]), path_prob, kind, success, shown)

    def mass(self) -> NDArray[np.float64]:
        """Probability of each kind of path, ``[kinds]``."""
        return _mass(self.kind, self.path_prob)


def _mass(kind: NDArray[np.int64], path_prob: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([path_prob[kind == value].sum() for value in Kind])


def watch(
    method: Method,
    world: World,
    training: Training,
    *,
    seed: int,
    delay: float,
    console: Console,
    interruption: Interruption,
) -> None:
    """Train one seed and draw a frame at each recorded step; nothing is written.

    Args:
        method: what to train with.
        world: the world.
        training: the run's settings; its ``points`` are the frames.
        seed: layout and random numbers.
        delay: seconds between frames.
        console: where to draw.
        interruption: where a signal is remembered; it ends the training.

    Raises:
        ValueError: ``seed`` or ``delay`` is negative, or no finite number.
    """
    for name, value in (("seed", seed), ("delay", delay)):
        if not 0 <= value < float("inf"):
            raise ValueError(f"--{name} {value}: expected 0 or more. Fix: raise it.")
    history: list[Snapshot] = []
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:

        def draw(step: int, population: Population) -> None:
            """Show the policy of this step, and wait for the eye."""
            history.append(Snapshot.of(step, population))
            title = f"{method.name}, seed {seed}, step {step} of {training.steps}"
            picture = frame(history, world, title=title, lines=console.height - 1)
            if live:
                live.update(picture, refresh=True)
            else:
                console.print(picture)
            interruption.wait(delay)
            if interruption.happened:
                raise InterruptedError

        with suppress(InterruptedError):
            train(method, world, training, [seed], on_point=draw)


def frame(history: Sequence[Snapshot], world: World, *, title: str, lines: int) -> Group:
    """One picture: how entropy and accuracy went, where the mass is, and the most probable paths as a tree.

    Args:
        history: the policies so far, the present one last.
        world: the world.
        title: the first line.
        lines: height of the picture; the tree is pruned to fit.
    """
    now = history[-1]
    return Group(
        Text(title, style="bold"),
        _history_line("entropy ", [shot.entropy for shot in history], f"{now.entropy:.3f} nats per decision"),
        _history_line("accuracy", [shot.accuracy for shot in history], f"{now.accuracy:.3f}", high=1.0),
        Text("mass      ").append_text(_kind_bar(now.mass())),
        _legend(now),
        path_tree(now, Tree(world.depth, world.branching), lines=max(lines - OTHER_LINES, world.depth)),
    )


def _history_line(name: str, values: Sequence[float], last: str, *, high: float | None = None) -> Text:
    """Draw a row of blocks from 0 to ``high`` (the largest value by default), and the last value as a number."""
    top = high or max(max(values), 1e-12)
    columns = np.unique(np.linspace(0, len(values) - 1, BAR_WIDTH).round().astype(int))
    levels = [min(int(values[column] / top * len(BLOCKS)), len(BLOCKS) - 1) for column in columns]
    return (
        Text(f"{name}  ")
        .append("".join(BLOCKS[level] for level in levels).ljust(BAR_WIDTH), "cyan")
        .append(f"  {last}")
    )


def _kind_bar(mass: NDArray[np.float64]) -> Text:
    """Draw a bar whose cells are shared among the kinds; its length is their probability together."""
    edges = np.concatenate([[0], (mass.cumsum() * BAR_WIDTH).round().astype(int)])
    bar = Text()
    for (letter, style), width in zip(MARKS.values(), np.diff(edges), strict=True):
        bar.append(letter * int(width), style)
    return bar


def _legend(now: Snapshot) -> Text:
    line = Text("          ")
    for (kind, (letter, style)), mass in zip(MARKS.items(), now.mass(), strict=True):
        line.append(f"{letter} {kind.name.lower()} {mass:.3f}", style).append("   ")
    return line


def path_tree(now: Snapshot, tree: Tree, *, lines: int) -> Branches:
    """The most probable paths as a tree of decisions: each option's probability of being reached, kinds by letter.

    Args:
        now: the policy.
        tree: the prefix tree.
        lines: the most nodes to show; paths are added in order of probability while they fit.
    """
    root = Branches(Text("prompt of the first family", style="bold"))
    branches: dict[tuple[int, ...], Branches] = {(): root}
    shown = _visible_paths(now, tree, lines)
    prefixes = sorted({prefix for path in shown for prefix in _prefixes(tree, path)})
    for prefix in prefixes:
        branches[prefix] = branches[prefix[:-1]].add(_label(now, tree, prefix))
    rest = 1.0 - now.path_prob[shown].sum()
    root.add(Text(f"… {tree.paths - len(shown)} other paths  {max(rest, 0.0):.3f}", style="bright_black"))
    return root


def _prefixes(tree: Tree, path: int) -> list[tuple[int, ...]]:
    options = tuple(tree.options[path].tolist())
    return [options[: length + 1] for length in range(tree.depth)]


def _visible_paths(now: Snapshot, tree: Tree, lines: int) -> list[int]:
    """The most probable paths whose decisions fit into a number of lines; at least one."""
    shown: list[int] = []
    nodes: set[tuple[int, ...]] = set()
    for path in np.argsort(-now.path_prob, kind="stable").tolist():
        nodes |= set(_prefixes(tree, path))
        if len(nodes) > lines and shown:
            break
        shown.append(path)
    return shown


def _label(now: Snapshot, tree: Tree, prefix: tuple[int, ...]) -> Text:
    """One option: its number, the chance of getting there, whereto from there, and at a leaf its kind."""
    width = tree.branching ** (tree.depth - len(prefix))
    first = sum(option * tree.branching**place for place, option in enumerate(reversed(prefix))) * width
    below = slice(first, first + width)
    mass = _mass(now.kind[below], now.path_prob[below])
    label = Text(f"{prefix[-1]}  {mass.sum():.3f}  ")
    if width == 1:
        letter, style = MARKS[Kind(now.kind[first])]
        expert = ", the expert's" if now.shown[first] else ""
        label.append(f"{letter} right {now.success[first]:.2f}{expert}  ", style)
    return label.append_text(_kind_bar(mass))
