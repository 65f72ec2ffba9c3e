"""From the name of a data set to its problems: which layout it has, which records are sound, and their experts."""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import PIL.Image
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from full_scale.data import (
    arithmetic,
    benchmarks,
    generic,
    geometry3k,
    geoqa,
    pipelines,
    programs,
    rendered,
    shortcut,
    text_only,
    word_problems,
)
from full_scale.data.cells import shown
from full_scale.data.experts import Experts
from full_scale.data.records import Record, did_you_mean
from full_scale.data.schema import Request, Schema
from full_scale.data.tables import splits_of
from full_scale.problems.problem import Problem
from full_scale.problems.quarantine import HINT, Quarantine
from full_scale.verifier.answer import answer_matches, compared_as_text, judgement
from full_scale.verifier.wording import LONGEST_ANSWER

DATASETS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        rendered.RENDERED,
        shortcut.SHORTCUT,
        word_problems.WORD_PROBLEMS,
        arithmetic.ARITHMETIC,
        pipelines.PIPELINES,
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
        programs.HUMANEVAL,
        programs.MBPP,
        programs.LIVECODEBENCH,
        generic.generic_schema({}),
    )
}
"""Every layout, in the order in which they are recognised: anybody's own table comes last."""

_LOG = logging.getLogger(__name__)


class MissingSplitError(ValueError):
    """A data set has no problems in the split that is asked for."""


def load_problems(
    dataset: str,
    *,
    split: str = "train",
    limit: int | None = None,
    seed: int = 0,
    experts: str = "dataset",
    columns: str | None = None,
    quarantine: Quarantine | None = None,
) -> list[Problem]:
    """Load one split of a data set.

    Args:
        dataset: The name of one that is shipped ("rendered", "shortcut", "word_problems", "arithmetic",
            "pipelines"); a file or folder, whose layout is recognised; "hub:<owner>/<name>", which is downloaded first;
            or "<name of DATASETS>:" before one of the two.
        split: One of the layout's splits; "validation" is "val".
        limit: At most so many problems, the first ones; None for all.
        seed: Seed of generated problems; files are read in their own order.
        experts: Where expert solutions come from: "dataset" (the layout's own chains of thought, where it has them),
            "column:<name>" (any column of the records), "file:<path>" (what make_experts.py wrote), "answer_only" (a
            statement of the right answer: NOT a chain of thought) or "none".
        columns: What the columns of one's own table are called where that is not usual: "question=q,answer=a".
        quarantine: Takes the broken records; without one the first ends the program.

    Returns:
        Problems, whose pictures were all decoded once; those without an expert have `solution` None. Answers that the
        verifier cannot parse are counted in the log.

    Raises:
        MissingSplitError: It has no problems in this split.
        ValueError: No such data set, column or file of experts, or a record is broken.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 or None, got {limit}")
    source = Experts(experts)
    schema, path = find_schema(dataset, columns)
    split = "val" if split == "validation" else split
    if split not in schema.splits:
        raise ValueError(f"{schema.name} has no split {split!r}; it has {', '.join(schema.splits)}")
    request = Request(path=path, split=split, seed=seed, limit=limit)
    problems = list(islice(_sound_problems(schema, request, source, quarantine), limit))
    if not problems:
        there = f"; it has {', '.join(splits_of(path))}" if splits_of(path) else ""
        raise MissingSplitError(f"{path} has no problems in split {split!r} of layout {schema.name}{there}")
    source.check_use(problems)
    _report_text_answers(problems)
    return problems


def _sound_problems(
    schema: Schema, request: Request, experts: Experts, quarantine: Quarantine | None
) -> Iterator[Problem]:
    broken: list[str] = []
    known: dict[str, int] = {}
    for number, row in enumerate(schema.read(request), start=1):
        try:
            if isinstance(row, ValueError):
                raise row
            problem = experts.give(_problem(schema, row, request.path), row)
            _check_id(problem, known)
        except ValueError as error:
            if quarantine is None:
                raise ValueError(f"{error} ({HINT})") from error
            broken.append(str(error))
            name = None if isinstance(row, ValueError) else row.get("id")
            quarantine.leave_out(str(error), dataset=schema.name, split=request.split, row=number, id=shown(name))
            continue
        yield problem
    if quarantine is not None:
        quarantine.check(schema.name, broken, len(known))


def _problem(schema: Schema, record: Record, path: Path) -> Problem:
    try:
        problem = schema.problem(record, path)
    except (TypeError, AttributeError, KeyError, IndexError, RecursionError) as error:
        # a cell of another type than the layout's, or nested without end
        cells = {name: str(cell)[:40] for name, cell in list(record.items())[:20]}
        raise ValueError(f"a record of layout {schema.name} has a cell of the wrong type ({error}): {cells}") from error
    if problem.task is not None:
        _check_task(problem)
        return problem
    if len(problem.answer) > LONGEST_ANSWER:
        raise ValueError(
            f"{problem.name}: the answer has {len(problem.answer)} characters; the verifier reads {LONGEST_ANSWER}: "
            "shorten it"
        )
    if not answer_matches(problem.answer, problem):
        raise ValueError(
            f"{problem.name}: the verifier cannot parse the answer {problem.answer!r:.80}, so that no response could "
            "be right; write it as a number, an expression or words"
        )
    if not all(isinstance(image, PIL.Image.Image) for image in problem.images):
        problem.rgb_images()  # a broken one shall not end the run later
    return problem


def _check_task(problem: Problem) -> None:
    """Refuse a task that its own program fails; one that cannot be run on this machine is no fault of the record."""
    verdict = judgement(f"<answer>{problem.answer}</answer>", problem) if problem.answer else None
    if verdict is not None and verdict.outcome == "failed":
        raise ValueError(
            f"{problem.name}: its own program fails its tests ({verdict.reason}), so that no response could be right; "
            "put the tests right or leave the record out"
        )


def _check_id(problem: Problem, known: dict[str, int]) -> None:
    """Refuse an id that another problem has; a record that stands twice is no error."""
    content = hash((problem.question, problem.answer, *map(str, problem.images)))
    if known.setdefault(problem.id, content) != content:
        raise ValueError(f"{problem.name}: an earlier record with another question has this id; ids must be unique")


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


def find_schema(dataset: str, columns: str | None = None) -> tuple[Schema, Path]:
    """Split "<name>:<path>", or recognise the layout of a path.

    Args:
        dataset: As in `load_problems`.
        columns: As in `load_problems`; they make it one's own table.

    Returns:
        The layout and the path.

    Raises:
        ValueError: The name, the path or its layout is unknown.
    """
    name = dataset.partition(":")[0]
    schema, place = _named(dataset)
    if columns is not None:
        if schema is not None and schema.name != "generic":
            raise ValueError(f"columns={columns!r:.80}: layout {name} has its own; leave out --columns or '{name}:'")
        schema = generic.generic_schema(generic.parse_columns(columns))
    if schema is not None and schema.shipped is not None and not place:
        return schema, schema.shipped
    path = _local(place)
    if not place or (place in DATASETS and not path.exists()):
        raise ValueError(
            f"dataset={dataset!r}: expected a path, or a layout and a path. Fix: {name or 'generic'}:FOLDER, with the "
            "data set's folder"
        )
    if not path.exists():
        raise ValueError(
            f"unknown data set {dataset!r}: no such name or path{did_you_mean(name, DATASETS)}; {_valid()}"
        )
    schema = schema or next((one for one in DATASETS.values() if one.recognise(path)), None)
    if schema is None:
        raise ValueError(f"{path} has none of the known layouts: {_why_unknown(path)}; {_valid()}")
    return schema, path


def _named(dataset: str) -> tuple[Schema | None, str]:
    """The layout that is named, and the place behind it; without a colon only a generated world is a name."""
    name, colon, rest = dataset.partition(":")
    schema = DATASETS.get(name)
    if schema is not None and (colon or schema.shipped is not None):
        return schema, rest
    return None, dataset


def _why_unknown(path: Path) -> str:
    try:
        return generic.explain(path, {})
    except ValueError as error:
        return str(error)


def _valid() -> str:
    shipped = [name for name, schema in DATASETS.items() if schema.shipped is not None]
    layouts = [name for name in DATASETS if name not in shipped]
    return (
        f"valid: {', '.join(shipped)}, a path, hub:<owner>/<name>, or <layout>:<path> with a layout of "
        f"{', '.join(layouts)}"
    )
