"""The toy's story on a real vision-language model: every method from the same checkpoint, with several seeds.

    python -m benchmarks.shortcut                      # all that is missing, in as many processes as there are cores
    python -m benchmarks.shortcut --part first         # the methods that carry the story alone
    python -m benchmarks.shortcut --dry-run            # the commands alone
    python -m benchmarks.shortcut --checkpoint         # how often the shipped checkpoint takes each way, and is right
    python -m benchmarks.shortcut --decisions          # where the trained models look: at triangles, at other figures
    python -m benchmarks.shortcut --tables             # the tables of docs/shortcut_findings.md, from the results

Each run is ``full_scale/train.py --preset tiny-shortcut`` in a folder of its own below ``--out``; one that is finished
is not done again, one that was cut off goes on from its last checkpoint. The results of all finished runs are written
to results/vlm_shortcut, each with its command, after every run.
"""

import argparse
import json
import multiprocessing
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import provenance
from benchmarks.shortcut_tables import RESULTS, interval, paired_table, table
from cli.folder import write_json
from full_scale.run.command_line import read_preset
from full_scale.run.folder import read_metrics
from full_scale.train import main as train

CURVES = (
    *("sound_probability", "shortcut_probability", "decision_entropy", "accuracy", "entropy", "grad_norm"),
    *("sound_share", "shortcut_share", "neither_share"),
)
"""Metrics whose course is kept."""

MEASURES = (
    *("greedy_accuracy", "sampled_accuracy", "pass_at_k", "sound_share", "shortcut_share", "neither_share"),
    *("sound_coverage", "sound_probability", "shortcut_probability", "decision_entropy", "entropy"),
)

PRESET = "tiny-shortcut"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting, trained with several seeds.

    Attributes:
        name: Of its folder, and in tables.
        flags: What follows ``train.py --preset tiny-shortcut``.
        seeds: How many; or which ones, where rates are chosen.
        experts: A kind of :data:`EXPERTS`, written to a file; empty for the data set's own.
        sft: So many supervised updates before, with a run of their own.
    """

    name: str
    flags: tuple[str, ...]
    seeds: Sequence[int] = (0, 1, 2)
    experts: str = ""
    sft: int = 0


def _method(name: str, method: str, *flags: str, seeds: Sequence[int] = (0, 1, 2), experts: str = "") -> Cell:
    return Cell(name=name, flags=("--method", method, *flags), seeds=seeds, experts=experts)


FIVE, TRIAL_SEEDS = range(5), (100,)
"""Seeds of the cells with the most weight, and of trials: no other part has those of the part "rates".

The preset's rate was not chosen by that part, which was run later: docs/shortcut_findings.md."""

SHORT = ("--steps", "50", "--limit", "400")
"""Of a trial."""

TRIED_RATES = ("3e-5", "1e-4", "3e-4")

PARTS: dict[str, tuple[Cell, ...]] = {
    "rates": tuple(
        _method(f"{method.partition(':')[0]}, rate {rate}", method, *SHORT, "--learning-rate", rate, seeds=TRIAL_SEEDS)
        for method in ("grpo", "calibrl:exploration_weight=0.3", "sft_grpo")
        for rate in TRIED_RATES
    ),
    "first": (
        _method("grpo", "grpo", seeds=FIVE),
        _method("calibrl, lambda 0.1", "calibrl:exploration_weight=0.1", seeds=FIVE),
        _method("calibrl, lambda 1", "calibrl:exploration_weight=1", seeds=FIVE),
        _method("sft_grpo", "sft_grpo", seeds=FIVE),
    ),
    "controls": (
        _method("calibrl, lambda 0.3", "calibrl:exploration_weight=0.3"),
        _method("detached expert, lambda 1", "calibrl:exploration_weight=1,detach_expert=true"),
        _method("shuffled expert, lambda 1", "calibrl_shuffled_expert:exploration_weight=1"),
        _method("entropy_bonus", "entropy_bonus"),
    ),
    "others": (
        _method("random gate", "calibrl_random_gate"),
        _method("dapo", "dapo"),
        Cell(name="sft_grpo, short", flags=("--method", "grpo"), sft=4),
        _method("luffy", "luffy"),
        _method("calibrl, alpha 0.3", "calibrl:slope=0.3"),
        _method("calibrl, alpha 0.8", "calibrl:slope=0.8"),
        _method("calibrl, alpha 1", "calibrl:slope=1"),
        _method("calibrl_released", "calibrl_released"),
    ),
    "matched": tuple(
        _method(f"{name}, gradients cut at 0.05", method, "--max-grad-norm", "0.05")
        for name, method in (("grpo", "grpo"), ("calibrl, lambda 0.1", "calibrl:exploration_weight=0.1"))
    ),
    "experts": tuple(
        _method(f"{name}, {kind}", method, *flags, experts=kind)
        for name, method in (
            ("calibrl", "calibrl:exploration_weight=0.1"),
            ("sft_grpo", "sft_grpo"),
            ("calibrl, lambda 1", "calibrl:exploration_weight=1"),
        )
        for kind, flags in (
            ("miscomputed 0.25", ("--trust-experts",)),
            ("miscomputed 0.5", ("--trust-experts",)),
            ("guessing", ("--trust-experts",)),
            ("bare", ()),
        )
    ),
}
"""Part -> its cells, in the order in which they are run."""

REPORTED = tuple(part for part in PARTS if part != "rates")
"""The parts whose seeds GRPO has, too, with the preset's rate."""


def miscomputed(share: float) -> Callable[[Sequence[Any], Any], list[Any]]:
    """Experts that look, of which a share computes wrongly."""
    from full_scale.data import shortcut

    def write(problems: Sequence[Any], rng: Any) -> list[Any]:  # noqa: ANN401  # problems, and a random.Random
        """The problems with their solutions."""
        return [shortcut.miscomputed(one, rng) if rng.random() < share else one for one in problems]

    return write


def write_experts(kind: str, seed: int, file: Path) -> None:
    """Write a file of experts for the problems of a seed, as ``--experts file:`` reads it.

    Args:
        kind: "miscomputed <share>", "guessing" or "bare".
        seed: Of the problems.
        file: Where it goes.

    Raises:
        ValueError: There is no such kind.
    """
    import random

    from full_scale.data import expert_response, shortcut

    problems = shortcut.shortcut_problems(read_preset(PRESET)["limit"], seed=seed)
    rng = random.Random(f"experts-{seed}")
    name, _, share = kind.partition(" ")
    writers: dict[str, Callable[[], list[Any]]] = {
        "miscomputed": lambda: miscomputed(float(share))(problems, rng),
        "guessing": lambda: [shortcut.guessed(one) for one in problems],
        "bare": lambda: [shortcut.skipped(one, one.answer) for one in problems],
    }
    if name not in writers:
        raise ValueError(f"experts={kind!r}: expected one of {', '.join(writers)}. Fix: choose one.")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as lines:
        for problem in writers[name]():
            record = {"source": problem.source, "id": problem.id, "status": "accepted"}
            lines.write(json.dumps(record | {"response": expert_response(problem)}) + "\n")


def runs(parts: Sequence[str]) -> Iterator[tuple[str, Cell, int]]:
    """Part, cell and seed of every run; the first seeds of all cells come first, so that a part cut off is even."""
    for part in parts:
        longest = max(len(cell.seeds) for cell in PARTS[part])
        for index in range(longest):
            for cell in PARTS[part]:
                if index < len(cell.seeds):
                    yield part, cell, cell.seeds[index]


def folder_of(out: Path, cell: Cell, seed: int) -> Path:
    """Where a run writes."""
    name = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in cell.name)
    return out / name / f"seed-{seed}"


def commands(cell: Cell, seed: int, out: Path, more: Sequence[str] = ()) -> list[list[str]]:
    """The arguments of ``train.py`` for a run: one list, or two where supervised updates go before.

    Args:
        cell: The setting.
        seed: Of the run.
        out: Folder of all runs.
        more: Further flags, for every run.

    Returns:
        The lists, in order.
    """
    folder = folder_of(out, cell, seed)
    shared = ["--preset", PRESET, "--seed", str(seed), *more]
    experts = ["--experts", f"file:{experts_file(out, cell, seed)}"] if cell.experts else []
    last = [*shared, *cell.flags, *experts, "--out", str(folder)]
    if not cell.sft:
        return [last]
    first = str(folder.with_name(f"{folder.name}-sft"))
    sft = ["--method", "sft", "--steps", str(cell.sft), "--evaluate-problems", "0"]
    return [[*shared, *sft, "--out", first], [*last, "--model", first]]


def experts_file(out: Path, cell: Cell, seed: int) -> Path:
    """The file of a run's experts."""
    return out / "experts" / f"{cell.experts.replace(' ', '_')}-{seed}.jsonl"


def finished(folder: Path) -> bool:
    """Whether a run has made all its updates and was evaluated."""
    file = folder / "results.json"
    return file.is_file() and bool(json.loads(file.read_text()).get("finished"))


def do_run(cell: Cell, seed: int, out: Path, more: Sequence[str] = ()) -> str:
    """Train a cell with a seed, or go on with it.

    Args:
        cell: The setting.
        seed: Of the run.
        out: Folder of all runs.
        more: Further flags.

    Returns:
        A line for the log.

    Raises:
        ValueError: The training was refused, or failed; what it said is in a file beside the run's folder.
    """
    if cell.experts and not experts_file(out, cell, seed).is_file():
        write_experts(cell.experts, seed, experts_file(out, cell, seed))
    for arguments in commands(cell, seed, out, more):
        folder = Path(arguments[arguments.index("--out") + 1])
        if finished(folder):
            continue
        begun = ["--resume"] if (folder / "settings.json").is_file() else []
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.log").open("w") as log, redirect_stdout(log), redirect_stderr(log):
            train([*arguments, *begun])
    return f"{cell.name}, seed {seed}"


def record(cell: Cell, seed: int, out: Path, more: Sequence[str] = ()) -> dict[str, Any]:
    """What is kept of a finished run: its commands, its measures before and after, and its course."""
    folder = folder_of(out, cell, seed)
    results = json.loads((folder / "results.json").read_text())
    metrics = read_metrics(folder / "metrics.jsonl")
    lines = [shlex.join(["python", "full_scale/train.py", *arguments]) for arguments in commands(cell, seed, out, more)]
    kept = {name: [one.get(name) for one in metrics] for name in CURVES}
    rounded = {name: [None if value is None else round(value, 4) for value in values] for name, values in kept.items()}
    measures = {when: results[when] for when in ("before", "after", "blank_pictures", "categories", "seconds")}
    return {"cell": cell.name, "seed": seed, "commands": lines, **measures, "course": rounded}


def write_results(part: str, out: Path, folder: Path = RESULTS, more: Sequence[str] = ()) -> None:
    """Write what the finished runs of a part gave, and which are missing."""
    every = [(cell, seed) for cell in PARTS[part] for seed in cell.seeds]
    found = [record(cell, seed, out, more) for cell, seed in every if finished(folder_of(out, cell, seed))]
    done = [(one["cell"], one["seed"]) for one in found]
    missing = [f"{cell.name}, seed {seed}" for cell, seed in every if (cell.name, seed) not in done]
    names = dict.fromkeys(name for name, _ in done)
    cells = {name: _cell_row([one for one in found if one["cell"] == name]) for name in names}
    command = shlex.join(["python", "-m", "benchmarks.shortcut", "--part", part, *more])
    folder.mkdir(parents=True, exist_ok=True)
    about = {"command": command, **provenance()}
    write_json(folder / f"{part}.json", {**about, "cells": cells, "not_run": missing, "runs": found})


CHECKPOINT_SEED, CHECKPOINT_PROBLEMS = 1000, 500
"""Of the problems on which the shipped checkpoint is measured."""


def measure_checkpoint() -> dict[str, Any]:
    """How often the shipped checkpoint takes each way, and how often each is right where it is taken."""
    import numpy as np

    from full_scale.data.shortcut import MAJORITY, WAYS, shortcut_problems
    from full_scale.evaluation.intervals import Estimate, bootstrap
    from full_scale.model.answers import answer_problems
    from full_scale.model.checkpoint import load_model
    from full_scale.model.decisions import first_decision
    from full_scale.model.processor import load_processor
    from full_scale.model.shipped import TINY_SHORTCUT_MODEL
    from full_scale.problems.ways import BEGIN
    from full_scale.verifier.answer import is_correct

    model, processor = load_model(TINY_SHORTCUT_MODEL), load_processor(TINY_SHORTCUT_MODEL)
    problems = shortcut_problems(CHECKPOINT_PROBLEMS, seed=CHECKPOINT_SEED, split="test")
    kinds = np.array([str(problem.category) for problem in problems])
    found = first_decision(model, processor, problems, WAYS)
    results: dict[str, Any] = {"command": "python -m benchmarks.shortcut --checkpoint", "problems": len(problems)}
    results["first_decision_entropy"] = round(float(found.entropy.mean()), 4)
    for name in WAYS.names:
        given = answer_problems(model, processor, problems, max_new_tokens=40, samples=2, begin=BEGIN + name)
        right = np.array(
            [np.mean([is_correct(one.text, item) for one in pair]) for pair, item in zip(given, problems, strict=True)]
        )

        def right_on(chosen: Any, right: Any = right) -> dict[str, float]:  # noqa: ANN401  # arrays
            """The share of right answers to some problems."""
            values = right[chosen]
            estimate: Estimate = bootstrap(lambda draw: values[draw].mean(), len(values))
            return {key: round(value, 4) for key, value in estimate.as_json().items()}

        by_kind = {kind: right_on(kinds == kind) for kind in sorted(set(kinds))}
        results[name] = {
            "probability": round(float(found.shares[name].mean()), 4),
            "right": right_on(kinds == kinds),
            "right_on_minority": right_on(kinds != MAJORITY),
            "right_by_kind": by_kind,
        }
    return results


def measure_decisions(parts: Sequence[str], out: Path, problems: int = 100) -> dict[str, Any]:
    """The first decision of every finished run's model, exactly, where a guess is right and where it is wrong.

    Args:
        parts: Of :data:`PARTS`.
        out: Folder of all runs.
        problems: Held out, those of the run's own evaluation.

    Returns:
        Run -> "triangle" and "other" -> number of problems, mean probability of each way, mean entropy (nats), and the
        share of problems in which looking is likelier than guessing.
    """
    from full_scale.data.shortcut import MAJORITY, WAYS, shortcut_problems
    from full_scale.model.checkpoint import load_model
    from full_scale.model.decisions import first_decision
    from full_scale.model.processor import load_processor

    found: dict[str, Any] = {}
    for _, cell, seed in runs(parts):
        folder = folder_of(out, cell, seed)
        if not finished(folder):
            continue
        model, processor = load_model(folder), load_processor(folder)
        held_out = shortcut_problems(problems, seed=seed, split="test")
        kinds = {MAJORITY: [one for one in held_out if one.category == MAJORITY]}
        kinds["other"] = [one for one in held_out if one.category != MAJORITY]
        found[f"{cell.name}, seed {seed}"] = {
            kind: _decided(first_decision(model, processor, given, WAYS), WAYS) for kind, given in kinds.items()
        }
    command = shlex.join(["python", "-m", "benchmarks.shortcut", "--decisions", "--part", *parts])
    return {"command": command, "runs": found}


def _decided(decision: Any, ways: Any) -> dict[str, float]:  # noqa: ANN401  # a FirstDecision and its Ways: torch stays out of the import
    """The means over problems."""
    shares = decision.shares
    means = {name: round(float(share.mean()), 4) for name, share in shares.items()}
    likelier = (shares[ways.sound] > shares[ways.shortcut]).float().mean()
    entropy = round(float(decision.entropy.mean()), 4)
    return {"problems": len(decision.entropy), **means, "entropy": entropy, "looks_first": round(float(likelier), 4)}


def minority_accuracy(categories: Mapping[str, Mapping[str, float]]) -> float:
    """Accuracy of sampled answers after training where the picture is no triangle, so that a guess is wrong.

    Example:
        >>> one = {"problems": 1, "sampled_accuracy": 0.5}
        >>> minority_accuracy({"triangle": one, "circle": one, "right": {"problems": 3, "sampled_accuracy": 0.1}})
        0.2
    """
    found = [value for kind, value in categories.items() if kind != "triangle"]
    return sum(one["problems"] * one["sampled_accuracy"] for one in found) / sum(one["problems"] for one in found)


def _cell_row(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The measures of a cell over its seeds, before and after."""
    row: dict[str, Any] = {"seeds": [one["seed"] for one in found]}
    for name in MEASURES:
        row[name] = {when: interval([one[when][name] for one in found]) for when in ("before", "after")}
    row["minority_accuracy"] = interval([minority_accuracy(one["categories"]) for one in found])
    row["blank_pictures"] = interval([one["blank_pictures"]["greedy_accuracy"] for one in found])
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the runs that are missing, and write the results.

    Args:
        arguments: Command line; None reads ``sys.argv``.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, default=[*PARTS], help="which (default: all, in this order)"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/shortcut"), help="folder of the runs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of one thread")
    parser.add_argument("--checkpoint", action="store_true", help="measure the shipped checkpoint and stop")
    parser.add_argument("--decisions", action="store_true", help="measure where the trained models look and stop")
    parser.add_argument("--tables", action="store_true", help="print the results as tables and stop")
    parser.add_argument("--dry-run", action="store_true", help="print the commands of the missing runs and stop")
    options, more = parser.parse_known_args(arguments)
    if options.checkpoint:
        RESULTS.mkdir(parents=True, exist_ok=True)
        write_json(RESULTS / "checkpoint.json", measure_checkpoint())
        return
    if options.decisions:
        write_json(RESULTS / "decisions.json", measure_decisions(options.part, options.out))
        return
    if options.tables:
        tables = [*(table(part) for part in options.part), paired_table(REPORTED)]
        print("\n\n".join("\n".join(lines) for lines in tables if len(lines) > 2))
        return
    missing = [run for run in runs(options.part) if not finished(folder_of(options.out, run[1], run[2]))]
    if options.dry_run:
        for _, cell, seed in missing:
            for given in commands(cell, seed, options.out, more):
                print(shlex.join(["python", "full_scale/train.py", *given]))
        return
    os.environ["OMP_NUM_THREADS"] = (
        "1"  # the workers' threads; the order of sums, and so the last bits, depends on them
    )
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        waiting = [(part, pool.submit(do_run, cell, seed, options.out, more)) for part, cell, seed in missing]
        for number, (part, run) in enumerate(waiting, start=1):
            print(f"{number}/{len(waiting)}  {run.result()}", flush=True)
            write_results(part, options.out, more=more)
    for part in options.part:
        write_results(part, options.out, more=more)


if __name__ == "__main__":
    main()
