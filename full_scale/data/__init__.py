"""Data sets: `load_problems` gives the problems of any known layout, `expert_response` an expert's response.

A new data set is one file with a `Schema`, and one line in `DATASETS`.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from full_scale.data import benchmarks, geometry3k, geoqa, text_only
from full_scale.data.experts import ExpertReport, Experts, expert_response, verified_experts
from full_scale.data.records import Record
from full_scale.data.rendered import rendered_problems
from full_scale.data.schema import Schema
from full_scale.data.word_problems import WORD_PROBLEMS
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import answer_matches, compared_as_text

__all__ = ["DATASETS", "ExpertReport", "Schema", "expert_response", "load_problems", "verified_experts"]

DATASETS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        geometry3k.FOLDERS,
        geometry3k.HUB,
        geoqa.GLLAVA,
        geoqa.JOINED,
        geoqa.R1V,
        geoqa.R1V_PROMPTS,
        geoqa.HUB,
        geoqa.PICKLE,
        benchmarks.MATHVISTA,
        benchmarks.MATHVISION,
        benchmarks.MATHVERSE,
        benchmarks.MMK12,
        benchmarks.VIRL39K,
        benchmarks.VERL,
        benchmarks.GEOEVAL,
        text_only.MATH,
        text_only.GSM8K,
    )
}
"""Every layout of files that can be read; "rendered" needs none."""

_LOG = logging.getLogger(__name__)

RENDERED_COUNT = 2000
"""Rendered problems in a split, where no limit is given."""


def load_problems(
    dataset: str,
    *,
    split: str = "train",
    limit: int | None = None,
    seed: int = 0,
    experts: str = "dataset",
    skip_broken: bool = False,
) -> list[Problem]:
    """Load one split of a data set.

    Args:
        dataset: "rendered"; "word_problems" (the shipped files); a file or folder, whose layout is recognised;
            "hub:<owner>/<name>", which is downloaded first; or "<name of DATASETS>:" before a path or "hub:...".
        split: One of the layout's splits; "validation" is "val".
        limit: At most so many problems, the first ones; None for all.
        seed: Seed of rendered problems; files are read in their own order.
        experts: Where expert solutions come from: "dataset" (the layout's own chains of thought, where it has them),
            "column:<name>" (any column of the records), "file:<path>" (what make_experts.py wrote), "answer_only" (a
            statement of the right answer: NOT a chain of thought) or "none".
        skip_broken: Leave out records that are refused (no picture, no answer) and log how many; else the first raises.

    Returns:
        Problems; those without an expert have `solution` None. Answers that the verifier cannot parse are counted in
        the log.

    Raises:
        ValueError: No such data set, split, column or file of experts, or a record is broken.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 or None, got {limit}")
    source = Experts(experts)
    if dataset == "rendered":
        problems = rendered_problems(limit or RENDERED_COUNT, seed=seed, split=split)  # type: ignore[arg-type]  # it is checked there
        return [source.give(problem, {}) for problem in problems]
    schema, path = find_schema(dataset)
    split = "val" if split == "validation" else split
    if split not in schema.splits:
        raise ValueError(f"{schema.name} has no split {split!r}; it has {', '.join(schema.splits)}")
    problems = list(islice(_problems(schema, path, split, source, skip_broken=skip_broken), limit))
    if not problems:
        raise ValueError(f"{path} has no problems in split {split!r} of layout {schema.name}")
    source.check_use(problems)
    _report_text_answers(problems)
    return problems


def _problems(schema: Schema, path: Path, split: str, experts: Experts, *, skip_broken: bool) -> Iterator[Problem]:
    refused: list[str] = []
    for record in schema.read(path, split):
        try:
            problem = _problem(schema, record, path)
        except ValueError as error:
            if not skip_broken:
                raise ValueError(f"{error} (skip_broken leaves such records out)") from error
            refused.append(str(error))
            continue
        yield experts.give(problem, record)
    if refused:
        _LOG.warning("%s: %d records left out; the first: %s", schema.name, len(refused), refused[0])


def _problem(schema: Schema, record: Record, path: Path) -> Problem:
    try:
        problem = schema.problem(record, path)
    except (TypeError, AttributeError, KeyError, IndexError) as error:  # a cell of another type than the layout's
        shown = {name: str(cell)[:40] for name, cell in record.items()}
        raise ValueError(f"a record of layout {schema.name} has a cell of the wrong type ({error}): {shown}") from error
    if not answer_matches(problem.answer, problem):
        raise ValueError(
            f"{problem.name}: the verifier cannot parse the answer {problem.answer!r}, so that no response could be "
            "right; write it as a number, an expression or words"
        )
    return problem


def _report_text_answers(problems: list[Problem]) -> None:
    as_text = [problem.id for problem in problems if compared_as_text(problem)]
    if as_text:
        _LOG.warning(
            "%d of %d answers are no expression that the verifier can parse; only the same words count as right: %s%s",
            len(as_text),
            len(problems),
            ", ".join(as_text[:5]),
            " ..." if len(as_text) > 5 else "",
        )


def _local(place: str) -> Path:
    """The path itself, or the folder that a data set of the hub is downloaded to."""
    if place.startswith("hub:"):
        name = place.removeprefix("hub:")
        try:
            return Path(snapshot_download(name, repo_type="dataset"))
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise ValueError(
                f"cannot download data set {name!r} ({type(error).__name__}): check its name and the network, for a "
                "gated one run `hf auth login`, or download it elsewhere and give its folder"
            ) from error
    return Path(place).expanduser()


def find_schema(dataset: str) -> tuple[Schema, Path]:
    """Split "<name>:<path>", or recognise the layout of a path.

    Args:
        dataset: As in `load_problems`.

    Returns:
        The layout and the path.

    Raises:
        ValueError: The name, the path or its layout is unknown.
    """
    if dataset == "word_problems":
        return text_only.GSM8K, WORD_PROBLEMS
    name, _, rest = dataset.partition(":")
    places = "rendered, word_problems, a path, hub:<owner>/<name>, or <layout>:<path>"
    valid = f"valid: {places} with a layout of {', '.join(DATASETS)}"
    path = _local(rest if name in DATASETS else dataset)
    if not path.exists():
        raise ValueError(f"unknown data set {dataset!r}: no such name or path; {valid}")
    if name in DATASETS:
        return DATASETS[name], path
    for schema in DATASETS.values():
        if schema.recognise(path):
            return schema, path
    raise ValueError(f"{path} has none of the known layouts; {valid}")
