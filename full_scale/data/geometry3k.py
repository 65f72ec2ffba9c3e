"""Geometry3K (Lu et al., ACL 2021): the original folders, and the hub's parquet schema (hiyouga/geometry3k).

It has no chains of thought: `detailed_solution` is blank in 3001 of 3002 problems. The published question does not list
the choices, and the published answer is the choice's text.
"""

from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records
from full_scale.data.records import Record, column
from full_scale.data.schema import Schema
from full_scale.problem import Problem


def _read_folders(path: Path, split: str) -> Iterator[Record]:
    folder = path / ("val" if split == "validation" else split)
    places = [file.parent for file in folder.glob("*/data.json")]
    for place in sorted(places, key=lambda place: (len(place.name), place.name)):
        yield {**records.read_json(place / "data.json"), "image": place / "img_diagram.png", "folder": place.name}


def _problem_of_folder(record: Record) -> Problem:
    where = f"Geometry3K problem {record['folder']}"
    choices, letter = tuple(column(record, "choices", where)), column(record, "answer", where)
    return Problem(
        id=record["folder"],
        source="geometry3k",
        question=(record.get("annotat_text") or column(record, "problem_text", where)).strip(),
        answer=records.choice_text(choices, letter, where),
        images=(record["image"],),
        choices=choices,
        answer_letter=letter,
        category=", ".join(record.get("problem_type_goal", ())) or None,
        facts={"precise_value": record.get("precise_value")},
    )


def _is_folders(path: Path) -> bool:
    return any(any((path / split).glob("*/data.json")) for split in FOLDERS.splits)


def _read_hub(path: Path, split: str) -> Iterator[Record]:
    return records.read_parquet(records.parquet_files(path, "validation" if split == "val" else split))


def _problem_of_hub(record: Record) -> Problem:
    where = f"Geometry3K row {record.get('id', '(no id)')}"
    choices = tuple(record.get("choices") or ())
    return Problem(
        id=str(record.get("id", records.fingerprint(column(record, "problem", where)))),
        source="geometry3k",
        question=records.without_image_marks(column(record, "problem", where)),
        answer=column(record, "answer", where),
        images=tuple(records.embedded_image(cell, where) for cell in column(record, "images", where)),
        choices=choices,
        answer_letter=record.get("ground_truth"),
    )


def _is_hub(path: Path) -> bool:
    return records.has_columns(path, {"images", "problem", "answer"})


FOLDERS = Schema(
    name="geometry3k",
    splits=("train", "val", "validation", "test"),
    read=_read_folders,
    problem=_problem_of_folder,
    recognise=_is_folders,
)
HUB = Schema(
    name="geometry3k_hub",
    splits=("train", "val", "validation", "test"),
    read=_read_hub,
    problem=_problem_of_hub,
    recognise=_is_hub,
)
