"""Geometry3K (Lu et al., ACL 2021): the original folders, and the hub's schema (hiyouga/geometry3k).

It has no chains of thought: `detailed_solution` is blank in 3001 of 3002 problems. The published question does not list
the choices, and the published answer is the choice's text.
"""

from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records, wording
from full_scale.data.cells import as_text, pictures_of
from full_scale.data.records import Record, column
from full_scale.data.schema import Request, Schema, Scoring, table_schema
from full_scale.problems.pictures import find_picture
from full_scale.problems.problem import Problem
from full_scale.verifier import official

_SPLITS = ("train", "val", "test")


def _read_folders(request: Request) -> Iterator[Record]:
    path, split = request.path, request.split
    places = [file.parent for file in (path / split).glob("*/data.json")]
    for place in sorted(places, key=lambda place: (len(place.name), place.name)):
        content = records.values([records.read_json(place / "data.json")], place / "data.json")
        yield {**content[0], "image": f"{split}/{place.name}/img_diagram.png", "folder": place.name}


def _problem_of_folder(record: Record, path: Path) -> Problem:
    where = f"Geometry3K problem {record['folder']}"
    choices, letter = tuple(column(record, "choices", where)), column(record, "answer", where)
    return Problem(
        id=record["folder"],
        source="geometry3k",
        question=(record.get("annotat_text") or column(record, "problem_text", where)).strip(),
        answer=wording.choice_text(choices, letter, where),
        images=(find_picture(path, record["image"]),),
        choices=choices,
        answer_letter=letter,
        category=", ".join(record.get("problem_type_goal") or ()) or None,
        facts={"precise_value": record.get("precise_value")},
    )


def _problem_of_hub(record: Record, path: Path) -> Problem:
    question = column(record, "problem", "Geometry3K row")
    name = str(record["id"] if record.get("id") is not None else records.fingerprint(question + str(record["answer"])))
    where = f"Geometry3K row {name}"
    images = pictures_of(column(record, "images", where), path, where)
    return Problem(
        id=name,
        source="geometry3k",
        question=wording.without_image_marks(question, images, where),
        answer=as_text(column(record, "answer", where), f"{where}: the answer"),
        images=images,
        choices=tuple(record.get("choices") or ()),
        answer_letter=record.get("ground_truth") if record.get("choices") else None,
    )


_OFFICIAL = Scoring(
    score=official.geometry3k,
    rule="equal to the right choice's text, symbolically; a letter does not count (EasyR1, verl)",
)
FOLDERS = Schema(
    name="geometry3k",
    source="geometry3k",
    official=_OFFICIAL,
    splits=_SPLITS,
    read=_read_folders,
    problem=_problem_of_folder,
    recognise=lambda path: any(any((path / split).glob("*/data.json")) for split in _SPLITS),
)
HUB = table_schema(
    "geometry3k_hub",
    _SPLITS,
    _problem_of_hub,
    {"images", "problem", "answer"},
    source="geometry3k",
    official=_OFFICIAL,
    called="geometry3k",
    distinct={"choices", "ground_truth"},
)
