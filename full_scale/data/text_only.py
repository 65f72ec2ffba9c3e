"""Text-only mathematics: GSM8K and MATH, both with chains of thought."""

import re
from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records
from full_scale.data.records import Record, Row, column
from full_scale.data.schema import SYMBOLIC, Request, Schema, Scoring
from full_scale.data.tables import columns_of, rows_of, table_rows, tables_of
from full_scale.problems.problem import Problem
from full_scale.verifier import official
from full_scale.verifier.answer import unboxed

_GSM8K = {"question", "answer"}
_MATH = {"problem", "level", "solution"}
_MATH_COLUMNS = _MATH | {"answer", "type", "subject", "id", "unique_id"}
_SPLITS = ("train", "test")


def _read_gsm8k(request: Request) -> Iterator[Row]:
    main = request.path / "main"  # its "socratic" has other wording
    return table_rows(main if main.is_dir() else request.path, request.split, _GSM8K.__le__, first_split="train")


def _problem_of_gsm8k(record: Record, _path: Path) -> Problem:
    question = column(record, "question", "GSM8K record")
    where = f"GSM8K record {question[:40]!r}"
    thought, mark, answer = column(record, "answer", where).rpartition("####")
    if not mark:
        raise ValueError(f"{where}: the answer has no '####' before the result")
    return Problem(
        id=records.fingerprint(question),
        source="gsm8k",
        question=question,
        answer=answer.strip().replace(",", ""),
        solution=re.sub(r"<<[^>]*>>", "", thought).strip(),  # its calculator annotations
    )


def _is_gsm8k(path: Path) -> bool:
    """Whether a table has its two columns and no more, and its mark before the result of the first problem."""
    tables = [table for table in tables_of(path) if columns_of(table) == _GSM8K]
    firsts = [next(rows_of(table)) for table in tables[:1]]
    return any(not isinstance(row, ValueError) and "####" in str(row["answer"]) for row in firsts)


def _read_math(request: Request) -> Iterator[Row]:
    path, split = request.path, request.split
    if not any((path / split).glob("*/*.json")):
        yield from table_rows(path, split, _MATH.__le__, first_split="train")
    for place in sorted((path / split).glob("*/*.json")):  # the original folders: one file a problem
        yield {**records.read_json(place), "id": f"{place.parent.name}/{place.stem}"}


def _is_math(path: Path) -> bool:
    first = next((file for split in _SPLITS for file in (path / split).glob("*/*.json")), None)
    if first is not None:
        return set(records.read_json(first)) >= _MATH
    return any(_MATH <= columns_of(table) <= _MATH_COLUMNS for table in tables_of(path))


def _problem_of_math(record: Record, _path: Path) -> Problem:
    question = column(record, "problem", "MATH record")
    name = str(record.get("unique_id") or record.get("id") or records.fingerprint(question))
    solution = column(record, "solution", f"MATH record {name}")
    answer = record.get("answer") or (unboxed(solution) if "\\boxed{" in solution else "")
    if not answer:
        raise ValueError(f"MATH record {name}: neither an answer nor a \\boxed{{...}} in the solution; leave it out")
    return Problem(
        id=name,
        source="math",
        question=question,
        answer=answer,
        solution=solution,
        category=record.get("type") or record.get("subject"),
    )


GSM8K = Schema(
    name="gsm8k",
    source="gsm8k",
    official=Scoring(score=official.gsm8k, rule="the number after ####, or else the stated answer, is equal"),
    splits=_SPLITS,
    read=_read_gsm8k,
    problem=_problem_of_gsm8k,
    recognise=_is_gsm8k,
)
MATH = Schema(
    name="math",
    source="math",
    official=SYMBOLIC,
    splits=_SPLITS,
    read=_read_math,
    problem=_problem_of_math,
    recognise=_is_math,
)
