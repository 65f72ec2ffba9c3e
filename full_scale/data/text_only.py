"""Text-only mathematics: GSM8K and MATH, both with chains of thought."""

import re
from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records
from full_scale.data.records import Record, column
from full_scale.data.schema import Schema
from full_scale.problem import Problem
from full_scale.rewards import unboxed


def _read_gsm8k(path: Path, split: str) -> Iterator[Record]:
    folder = path / "main" if (path / "main").is_dir() else path
    files = records.parquet_files(folder, split)
    return records.read_parquet(files) if files else records.read_jsonl(records.split_file(path, split, ".jsonl"))


def _problem_of_gsm8k(record: Record) -> Problem:
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


def _read_math(path: Path, split: str) -> Iterator[Record]:
    files = records.parquet_files(path, split)
    if files:
        yield from records.read_parquet(files)
        return
    for place in sorted((path / split).glob("*/*.json")):
        yield {**records.read_json(place), "id": f"{place.parent.name}/{place.stem}"}


def _problem_of_math(record: Record) -> Problem:
    question = column(record, "problem", "MATH record")
    name = record.get("id", records.fingerprint(question))
    solution = column(record, "solution", f"MATH record {name}")
    if "\\boxed{" not in solution:
        raise ValueError(f"MATH record {name}: the solution has no \\boxed{{...}} answer")
    return Problem(
        id=str(name),
        source="math",
        question=question,
        answer=unboxed(solution),
        solution=solution,
        category=record.get("type"),
    )


def _is_gsm8k(path: Path) -> bool:
    if records.has_columns(path, {"question", "answer"}):
        return not records.has_columns(path, {"image"})
    return records.has_split_file(path, ("train", "test"), ".jsonl", {"question", "answer"})


def _is_math(path: Path) -> bool:
    if records.has_columns(path, {"problem", "level", "type", "solution"}):
        return True
    first = next((path / "train").glob("*/*.json"), None) or next((path / "test").glob("*/*.json"), None)
    return first is not None and {"problem", "level", "solution"} <= set(records.read_json(first))


GSM8K = Schema(name="gsm8k", splits=("train", "test"), read=_read_gsm8k, problem=_problem_of_gsm8k, recognise=_is_gsm8k)
MATH = Schema(name="math", splits=("train", "test"), read=_read_math, problem=_problem_of_math, recognise=_is_math)
