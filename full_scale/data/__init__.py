"""Data sets: `load_problems` gives the problems of any known layout, `expert_response` an expert's response.

A new data set is one file with a `Schema`, and one line in `DATASETS`.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from huggingface_hub import snapshot_download

from full_scale.data import benchmarks, geometry3k, geoqa, text_only
from full_scale.data.experts import ExpertReport, expert_response, verified_experts, with_expert
from full_scale.data.records import Record
from full_scale.data.schema import Schema
from full_scale.problem import Problem
from full_scale.rendered import rendered_problems

__all__ = ["DATASETS", "ExpertReport", "Schema", "expert_response", "load_problems", "verified_experts"]

DATASETS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        geometry3k.FOLDERS,
        geometry3k.HUB,
        geoqa.GLLAVA,
        geoqa.JOINED,
        geoqa.R1V,
        geoqa.HUB,
        geoqa.PICKLE,
        benchmarks.MATHVISTA,
        benchmarks.MATHVISION,
        benchmarks.MATHVERSE,
        benchmarks.MMK12,
        benchmarks.VIRL39K,
        benchmarks.GEOEVAL,
        text_only.GSM8K,
        text_only.MATH,
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
        dataset: "rendered"; a file or folder, whose layout is recognised; "hub:<owner>/<name>", which is downloaded
            first; or "<name of DATASETS>:" before a path or "hub:...".
        split: One of the layout's splits.
        limit: At most so many problems, the first ones; None for all.
        seed: Seed of rendered problems; files are read in their own order.
        experts: Where expert solutions come from: "dataset" (the layout's own chains of thought, where it has them),
            "column:<name>" (any column of the records), "answer_only" (a statement of the right answer: NOT a chain of
            thought) or "none".
        skip_broken: Leave out records that are refused (no picture, no answer) and log how many; else the first raises.

    Returns:
        Problems; those without an expert have `solution` None.

    Raises:
        ValueError: No such data set, split or column, or a record is broken.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 or None, got {limit}")
    if dataset == "rendered":
        problems = rendered_problems(limit or RENDERED_COUNT, seed=seed, split=split)  # type: ignore[arg-type]  # it is checked there
        return [with_expert(problem, {}, experts) for problem in problems]
    schema, path = find_schema(dataset)
    if split not in schema.splits:
        raise ValueError(f"{schema.name} has no split {split!r}; it has {', '.join(schema.splits)}")
    records = islice(schema.read(path, split), limit)
    problems = list(_problems(schema, records, experts, skip_broken=skip_broken))
    if not problems:
        raise ValueError(f"{path} has no problems in split {split!r} of layout {schema.name}")
    return problems


def _problems(schema: Schema, records: Iterator[Record], experts: str, *, skip_broken: bool) -> Iterator[Problem]:
    refused: list[str] = []
    for record in records:
        try:
            problem = schema.problem(record)
        except ValueError as error:
            if not skip_broken:
                raise ValueError(f"{error} (skip_broken leaves such records out)") from error
            refused.append(str(error))
            continue
        yield with_expert(problem, record, experts)
    if refused:
        _LOG.warning("%s: %d records left out; the first: %s", schema.name, len(refused), refused[0])


def _local(place: str) -> Path:
    """The path itself, or the folder that a data set of the hub is downloaded to."""
    if place.startswith("hub:"):
        return Path(snapshot_download(place.removeprefix("hub:"), repo_type="dataset"))
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
    name, _, rest = dataset.partition(":")
    valid = f"valid: rendered, a path, hub:<owner>/<name>, or <layout>:<path> with a layout of {', '.join(DATASETS)}"
    path = _local(rest if name in DATASETS else dataset)
    if not path.exists():
        raise ValueError(f"unknown data set {dataset!r}: no such name or path; {valid}")
    if name in DATASETS:
        return DATASETS[name], path
    for schema in DATASETS.values():
        if schema.recognise(path):
            return schema, path
    raise ValueError(f"{path} has none of the known layouts; {valid}")
