"""Benchmarks and corpora of one table each: MathVista, MATH-Vision, MathVerse, MMK12, ViRL39K, verl's; and GeoEval."""

import re
from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records, wording
from full_scale.data.cells import as_text, pictures_of
from full_scale.data.records import Cell, Record, column
from full_scale.data.schema import SYMBOLIC, Request, Schema, Scoring, table_schema
from full_scale.problems.pictures import Picture
from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier import official
from full_scale.verifier.answer import unboxed


def _pictures(record: Record, path: Path, where: str, *names: str) -> tuple[Picture, ...]:
    """The pictures of the first of the columns that is there and not empty; the hub adds `decoded_image` to a path."""
    for name in names:
        if record.get(name):
            return pictures_of(record[name], path, where)
    return ()


def _picture(record: Record, path: Path, where: str, *names: str) -> tuple[Picture, ...]:
    images = _pictures(record, path, where, *names)
    if not images:
        raise ValueError(f"{where}: no picture in column {' or '.join(names)}; leave the record out")
    return images


def _problem_of_mathvista(record: Record, path: Path) -> Problem:
    where = f"MathVista problem {column(record, 'pid', 'MathVista record')}"
    choices = tuple(record.get("choices") or ())
    answer = as_text(column(record, "answer", where), f"{where}: the answer")
    if not answer:
        raise ValueError(f"{where} has no answer: the labels of split test are hidden; use testmini")
    unit = f" (Unit: {record['unit']})" if record.get("unit") else ""
    return Problem(
        id=str(record["pid"]),
        source="mathvista",
        question=wording.with_choices(column(record, "question", where) + unit, choices),
        answer=answer,
        images=_picture(record, path, where, "decoded_image", "image"),
        choices=choices,
        answer_letter=wording.choice_letter(choices, answer, where) if choices else None,
        category=(record.get("metadata") or {}).get("task"),
        facts={name: record.get(name) for name in ("question_type", "answer_type", "precision")},
    )


def _problem_of_mathvision(record: Record, path: Path) -> Problem:
    where = f"MATH-Vision problem {column(record, 'id', 'MATH-Vision record')}"
    choices = tuple(column(record, "options", where) or ())
    answer = as_text(column(record, "answer", where), f"{where}: the answer")
    images = _picture(record, path, where, "decoded_image", "image")
    question = wording.without_image_marks(column(record, "question", where), images, where)
    return Problem(
        id=str(record["id"]),
        source="mathvision",
        question=wording.with_choices(question, choices),
        answer=wording.choice_text(choices, answer, where) if choices else answer,
        images=images,
        choices=choices,
        answer_letter=answer if choices else None,
        solution=record.get("solution") or None,
        category=record.get("subject"),
    )


def _problem_of_mathverse(record: Record, path: Path) -> Problem:
    name = str(record.get("sample_index", record.get("pid", "(no id)")))
    where = f"MathVerse sample {name}"
    question, raw = column(record, "question", where), str(column(record, "answer", where) or "")
    if record.get("choices"):
        question = "\n".join([question, "Choices:", *record["choices"]])
    choices, answer = wording.listed_choices(question), re.sub(r"^\(([A-J])\)$", r"\1", raw.strip())
    letter = _letter_of(answer, choices)
    metadata = record.get("metadata") or {}
    return Problem(
        id=name,
        source="mathverse",
        question=question,
        answer=choices[LETTERS.index(letter)] if letter else answer,
        images=_pictures(record, path, where, "image"),
        choices=choices if letter else (),
        answer_letter=letter,
        category=record.get("problem_version") or metadata.get("problem_version"),
        facts={"subject": metadata.get("subject", metadata.get("subjects")), "answer": raw},
    )


def _letter_of(answer: str, choices: tuple[str, ...]) -> str | None:
    """The letter of the answer: itself, or that of the choice with this text; None where the answer is neither."""
    if answer in choices:
        return LETTERS[choices.index(answer)]
    return answer if answer in set(LETTERS[: len(choices)]) else None


def _problem_of_mmk12(record: Record, path: Path) -> Problem:
    where = f"MMK12 problem {column(record, 'id', 'MMK12 record')}"
    images = _picture(record, path, where, "image", "image_path")
    return Problem(
        id=str(record["id"]),
        source="mmk12",
        question=wording.without_image_marks(column(record, "question", where), images, where),
        answer=as_text(column(record, "answer", where), f"{where}: the answer").strip("$").strip(),
        images=images,
        category=record.get("subject"),
    )


def _problem_of_virl39k(record: Record, path: Path) -> Problem:
    where = f"ViRL39K question {column(record, 'qid', 'ViRL39K row')}"
    images = _pictures(record, path, where, "image")
    return Problem(
        id=str(record["qid"]),
        source="virl39k",
        question=wording.without_image_marks(column(record, "question", where), images, where),
        answer=unboxed(as_text(column(record, "answer", where), f"{where}: the answer")),
        images=images,
        category=record.get("category"),
    )


def _problem_of_verl(record: Record, path: Path) -> Problem:
    """A row of verl's format, in which CalibRL's own training data come: a chat, pictures, and an expert's solution."""
    prompt, truth = column(record, "prompt", "verl row"), column(record, "reward_model", "verl row")
    question = "\n".join(_spoken(turn.get("content")) for turn in prompt if turn.get("role") == "user")
    extra = record.get("extra_info") or {}
    answer = as_text((truth or {}).get("ground_truth"), "verl row: the ground truth")
    name = str(extra.get("index", records.fingerprint(f"{question} {answer}")))
    images = _pictures(record, path, f"verl row {name}", "images")
    return Problem(
        id=name,
        source="verl",
        question=wording.without_image_marks(question, images, f"verl row {name}"),
        answer=unboxed(answer),
        images=images,
        solution=record.get("solution") or None,
        category=record.get("data_source"),
    )


def _spoken(content: Cell) -> str:
    """The text of a turn: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or () if part.get("type") == "text")


def _read_geoeval(request: Request) -> Iterator[Record]:
    path, split = request.path, request.split
    names = {"test": "dataset_merge", "select": "select", "aug": "aug", "backward": "backward_aug"}
    place = path if path.is_file() else path / f"{names[split]}.json"
    content = records.read_json(place)
    if not isinstance(content, dict):
        raise ValueError(f"{place} must be a JSON object of problems by id, got {type(content).__name__}")
    records.values(list(content.values()), place)
    for name, row in content.items():
        yield {**row, "id": name, "split": split}


def _problem_of_geoeval(record: Record, path: Path) -> Problem:
    where = f"GeoEval problem {record['id']}"
    split, text = record["split"], record.get("text") or {}
    question = column(record, "backward_text", where) if split == "backward" else None
    question = question or text.get("aug_problem" if split == "aug" else "Num_Exp") or ""
    answer = column(record, "backward_answer_value" if split == "backward" else "answer_value", where)
    return Problem(
        id=str(record["id"]),
        source="geoeval",
        question=question,
        answer=as_text(answer, f"{where}: the answer"),
        images=_pictures(record, path, where, "diagram_name"),
        category="with diagram" if record.get("diagram_name") else "text only",
    )


MATHVISTA = table_schema(
    "mathvista",
    ("testmini", "test"),
    _problem_of_mathvista,
    {"pid", "question", "answer_type"},
    official=Scoring(
        score=official.mathvista,
        rule="the choice nearest by edit distance, or the rounded number; rules replace GPT's extraction",
        warning="Not comparable with published figures where responses have no <answer> tags: those let a GPT extract "
        "the answer, rules do it here (Bard's published outputs: 348 of 1000 right there, 278 here).",
    ),
)
MATHVISION = table_schema(
    "mathvision",
    ("test", "testmini"),
    _problem_of_mathvision,
    {"options", "image", "level", "subject"},
    official=Scoring(
        score=official.mathvision,
        rule="equal to the letter or the option's text, as text or as values rounded to 2 decimals "
        "(latex2sympy as math-verify maintains it)",
    ),
)
MATHVERSE = table_schema(
    "mathverse",
    ("testmini", "testmini_text_only"),
    _problem_of_mathverse,
    {"question", "answer", "problem_version"},
    {"question", "answer", "pid", "metadata", "question_type", "choices"},  # the project page's
    official=Scoring(
        score=official.mathverse,
        rule="exactly the letter or the text; rules replace the script's GPT extraction, its own --quick_match its "
        "GPT judgement",
    ),
)
MMK12 = table_schema(
    "mmk12",
    ("test", "train"),
    _problem_of_mmk12,
    {"id", "question", "answer", "image_path"},
    {"id", "question", "answer", "image", "subject"},
    called="mmk12",
)
VIRL39K = table_schema(
    "virl39k",
    ("train",),
    _problem_of_virl39k,
    {"qid", "question", "answer", "image", "category", "source"},
    official=Scoring(score=official.symbolic, rule=f"{SYMBOLIC.rule} (math-verify, as its card recommends)"),
)
VERL = table_schema("verl", ("train", "val", "test"), _problem_of_verl, {"prompt", "reward_model"})
GEOEVAL = Schema(
    name="geoeval",
    source="geoeval",
    official=Scoring(
        score=official.geoeval,
        rule="within 0.001 of the number; rules replace the script's GPT extraction, its missing abs() is put right",
    ),
    splits=("test", "select", "aug", "backward"),
    read=_read_geoeval,
    problem=_problem_of_geoeval,
    recognise=lambda path: (
        path.is_dir() and any((path / f"{name}.json").is_file() for name in ("dataset_merge", "select", "aug"))
    ),
)
