"""Benchmarks and corpora of one file each: MathVista, MATH-Vision, MathVerse, MMK12, ViRL39K, GeoEval."""

from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records
from full_scale.data.records import Record, column
from full_scale.data.schema import Schema
from full_scale.problem import Problem
from full_scale.rewards import unboxed


def _with_picture(rows: Iterator[Record], path: Path, name: str) -> Iterator[Record]:
    """The rows with the relative path in the column `name` replaced by a path, or by None where it is empty."""
    for row in rows:
        yield {**row, name: records.picture(path, row[name]) if row.get(name) else None}


def _read_mathvista(path: Path, split: str) -> Iterator[Record]:
    rows = records.values(records.read_json(records.split_file(path, split, ".json")))
    return _with_picture(iter(rows), path, "image")


def _problem_of_mathvista(record: Record) -> Problem:
    where = f"MathVista problem {column(record, 'pid', 'MathVista record')}"
    choices, answer = tuple(record.get("choices") or ()), column(record, "answer", where)
    if not answer:
        raise ValueError(f"{where} has no answer: the labels of split test are hidden; use testmini")
    return Problem(
        id=str(record["pid"]),
        source="mathvista",
        question=records.with_choices(column(record, "question", where), choices),
        answer=answer,
        images=(column(record, "image", where),),
        choices=choices,
        answer_letter=records.choice_letter(choices, answer, where) if choices else None,
        category=record.get("metadata", {}).get("task"),
        facts={name: record.get(name) for name in ("question_type", "answer_type", "precision")},
    )


def _read_mathvision(path: Path, split: str) -> Iterator[Record]:
    return _with_picture(records.read_jsonl(records.split_file(path, split, ".jsonl")), path, "image")


def _problem_of_mathvision(record: Record) -> Problem:
    where = f"MATH-Vision problem {column(record, 'id', 'MATH-Vision record')}"
    choices, answer = tuple(column(record, "options", where)), column(record, "answer", where)
    return Problem(
        id=str(record["id"]),
        source="mathvision",
        question=records.with_choices(records.without_image_marks(column(record, "question", where)), choices),
        answer=records.choice_text(choices, answer, where) if choices else answer,
        images=(column(record, "image", where),),
        choices=choices,
        answer_letter=answer if choices else None,
        solution=record.get("solution"),
        category=record.get("subject"),
    )


def _mathverse_file(path: Path, split: str) -> Path:
    """The official file, or the project page's (mv_data_public.json and subsets of it)."""
    if path.is_file():
        return path
    if split == "testmini":
        for name in ("subset.json", "mv_data_public.json"):
            if (path / name).is_file():
                return path / name
    return records.split_file(path, split, ".json")


def _read_mathverse(path: Path, split: str) -> Iterator[Record]:
    rows = records.values(records.read_json(_mathverse_file(path, split)))
    return _with_picture(iter(rows), path, "image")


def _problem_of_mathverse(record: Record) -> Problem:
    name = str(record.get("sample_index", record.get("pid", "(no id)")))
    where = f"MathVerse sample {name}"
    question, answer = column(record, "question", where), str(column(record, "answer", where))
    listed = "\n".join(record.get("choices") or ())
    if listed:
        question = f"{question}\nChoices:\n{listed}"
    choices = records.listed_choices(question) if answer in "ABCDEFGHIJ" else ()
    image = column(record, "image", where)
    metadata = record.get("metadata", {})
    return Problem(
        id=name,
        source="mathverse",
        question=question,
        answer=records.choice_text(choices, answer, where) if choices else answer,
        images=(image,) if image else (),
        choices=choices,
        answer_letter=answer if choices else None,
        category=record.get("problem_version", metadata.get("problem_version")),
        facts={"subject": metadata.get("subject", metadata.get("subjects"))},
    )


def _read_mmk12(path: Path, split: str) -> Iterator[Record]:
    place = path if path.is_file() else next(path.glob("k12*.json"))
    return _with_picture(iter(records.values(records.read_json(place))), path, "image_path")


def _problem_of_mmk12(record: Record) -> Problem:
    where = f"MMK12 problem {column(record, 'id', 'MMK12 record')}"
    return Problem(
        id=str(record["id"]),
        source="mmk12",
        question=column(record, "question", where),
        answer=column(record, "answer", where).strip().strip("$").strip(),
        images=(column(record, "image_path", where),),
    )


def _read_virl39k(path: Path, split: str) -> Iterator[Record]:
    files = [path] if path.is_file() else sorted(path.glob("*.parquet"))
    for row in records.read_parquet(files):
        yield {**row, "image": tuple(records.picture(path, name) for name in row.get("image") or ())}


def _problem_of_virl39k(record: Record) -> Problem:
    where = f"ViRL39K question {column(record, 'qid', 'ViRL39K row')}"
    return Problem(
        id=record["qid"],
        source="virl39k",
        question=records.without_image_marks(column(record, "question", where)),
        answer=unboxed(column(record, "answer", where)),
        images=record["image"],
        category=record.get("category"),
    )


def _read_geoeval(path: Path, split: str) -> Iterator[Record]:
    names = {"test": "dataset_merge", "select": "select", "aug": "aug", "backward": "backward_aug"}
    place = path if path.is_file() else path / f"{names[split]}.json"
    for name, row in records.read_json(place).items():
        image = records.picture(path, row["diagram_name"]) if row.get("diagram_name") else None
        yield {**row, "id": name, "image": image, "split": split}


def _problem_of_geoeval(record: Record) -> Problem:
    where = f"GeoEval problem {record['id']}"
    text, backward = column(record, "text", where), record["split"] == "backward"
    wording = text.get("aug_problem") if record["split"] == "aug" else text.get("Num_Exp")
    return Problem(
        id=record["id"],
        source="geoeval",
        question=column(record, "backward_text", where) if backward else wording or "",
        answer=str(column(record, "backward_answer_value" if backward else "answer_value", where)),
        images=(record["image"],) if record["image"] else (),
        category="with diagram" if record["image"] else "text only",
    )


MATHVISTA = Schema(
    name="mathvista",
    splits=("testmini", "test"),
    read=_read_mathvista,
    problem=_problem_of_mathvista,
    recognise=lambda path: records.has_split_file(path, ("testmini", "test"), ".json", {"pid", "answer_type"}),
)
MATHVISION = Schema(
    name="mathvision",
    splits=("test", "testmini"),
    read=_read_mathvision,
    problem=_problem_of_mathvision,
    recognise=lambda path: records.has_split_file(path, ("test", "testmini"), ".jsonl", {"options", "image", "level"}),
)
MATHVERSE = Schema(
    name="mathverse",
    splits=("testmini", "testmini_text_only"),
    read=_read_mathverse,
    problem=_problem_of_mathverse,
    recognise=lambda path: (
        (path / "mv_data_public.json").is_file()
        or records.has_split_file(path, ("testmini", "testmini_text_only"), ".json", {"problem_version"})
    ),
)
MMK12 = Schema(
    name="mmk12",
    splits=("test",),
    read=_read_mmk12,
    problem=_problem_of_mmk12,
    recognise=lambda path: path.is_dir() and any(path.glob("k12*.json")),
)
VIRL39K = Schema(
    name="virl39k",
    splits=("train",),
    read=_read_virl39k,
    problem=_problem_of_virl39k,
    recognise=lambda path: records.has_columns(path, {"qid", "question", "answer", "image"}),
)
GEOEVAL = Schema(
    name="geoeval",
    splits=("test", "select", "aug", "backward"),
    read=_read_geoeval,
    problem=_problem_of_geoeval,
    recognise=lambda path: (
        path.is_dir() and any((path / f"{name}.json").is_file() for name in ("dataset_merge", "select"))
    ),
)
