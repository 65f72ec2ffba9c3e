"""GeoQA: G-LLaVA's files, R1-V's, the hub's table and the original pickles.

Pickles are read by an unpickler that builds NumPy arrays and nothing else, in a process of its own.
"""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from full_scale.data import records, wording
from full_scale.data.cells import pictures_of
from full_scale.data.pickles import read_pickle
from full_scale.data.records import Cell, Record, column
from full_scale.data.schema import SYMBOLIC, Request, Schema, Scoring, table_schema
from full_scale.problems.pictures import EncodedPicture, Picture, find_picture, inside
from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier import official


def _read_gllava(request: Request) -> Iterator[Record]:
    folder, split = _folder(request.path), request.split
    where = f"{split}_answers.jsonl: an answer"
    rows = records.read_jsonl(folder / f"{split}_answers.jsonl")
    answers = {column(row, "question_id", where): column(row, "text", where) for row in rows}
    for row in records.read_jsonl(folder / f"{split}_questions.jsonl"):
        yield {**row, "answer": answers.get(row.get("question_id"), "")}


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _problem_of_gllava(record: Record, path: Path) -> Problem:
    where = f"GeoQA question {column(record, 'question_id', 'GeoQA record')}"
    text, folder = column(record, "text", where), _folder(path)
    question = text.partition("Question:")[2].strip() or text.strip()
    choices = wording.listed_choices(question)
    beside = folder.parent / "images"  # G-LLaVA keeps the texts in a folder of their own
    pictures = beside if beside.is_dir() and not (folder / "images").is_dir() else folder
    return Problem(
        id=str(record["question_id"]),
        source="geoqa_gllava",
        question=question,
        answer=wording.choice_text(choices, record["answer"], where),
        images=(find_picture(pictures, column(record, "image", where)),),
        choices=choices,
        answer_letter=record["answer"],
    )


def _read_joined(request: Request) -> Iterator[Record]:
    name = "cot_index.jsonl" if request.split == "train" else "test_index.jsonl"
    yield from records.read_jsonl(request.path / name)


def _problem_of_joined(record: Record, path: Path) -> Problem:
    name = str(record.get("question_id", record.get("formalgeo_problem_id")))
    where = f"GeoQA record {name}"
    return Problem(
        id=name,
        source="geoqa_joined",
        question=record.get("question") or column(record, "question_cn", where),
        answer=str(record.get("answer_text") or record.get("answer") or ""),
        images=(find_picture(path, column(record, "image", where)),),
        choices=tuple(record.get("choices", ())),
        answer_letter=record.get("label"),
        solution=record.get("solution_cn"),
    )


def _problem_of_r1v(record: Record, path: Path) -> Problem:
    question = column(record, "problem", "R1-V row")
    where = f"R1-V row {question[:40]!r}"
    solution = column(record, "solution", where)
    tagged = re.search(r"<answer>(.*?)</answer>", solution, re.DOTALL)
    if tagged is None:
        raise ValueError(f"{where}: the solution {solution!r} has no <answer>...</answer>")
    images = _one_picture(pictures_of(column(record, "image", where), path, where), where)
    return Problem(
        id=records.fingerprint(f"{question} {solution} {[getattr(image, 'content', image) for image in images]}"),
        source="geoqa_r1v",
        question=wording.without_image_marks(question, images, where),
        answer=tagged[1].strip(),
        images=images,
    )


def _problem_of_r1v_prompt(record: Record, path: Path) -> Problem:
    """R1-V's test prompts: the answer is a choice's text, and the question lists no choices."""
    question = column(record, "question", "R1-V prompt")
    where = f"R1-V prompt {question[:40]!r}"
    place = column(record, "image_path", where)
    return Problem(
        id=Path(place).stem,
        source="geoqa_r1v",
        question=question,
        answer=str(column(record, "ground_truth", where)),
        images=_one_picture(pictures_of(place, path, where), where),
    )


def _one_picture(images: tuple[Picture, ...], where: str) -> tuple[Picture, ...]:
    if not images:
        raise ValueError(f"{where}: the record has no picture; leave the record out")
    return images


def _problem_of_hub(record: Record, path: Path) -> Problem:
    where = f"GeoQA row {column(record, 'id', 'GeoQA row')}"
    choices, letter = tuple(column(record, "choices", where)), _letter(column(record, "label", where), where)
    return Problem(
        id=str(record["id"]),
        source="geoqa",
        question=wording.with_choices(column(record, "subject", where), choices),
        answer=wording.choice_text(choices, letter, where),
        images=_one_picture(pictures_of(column(record, "image", where), path, where), where),
        choices=choices,
        answer_letter=letter,
        solution=record.get("answer") or None,
    )


def _letter(label: Cell, where: str) -> str:
    if not isinstance(label, int) or not 0 <= label < len(LETTERS):
        raise ValueError(f"{where}: label must be the number of a choice, from 0, got {label!r}")
    return LETTERS[label]


def _pickle_file(path: Path, split: str) -> Path:
    names = [f"{name}.pk" for name in ((split, "dev") if split == "val" else (split,))]
    places = [path] if path.is_file() else [folder / name for folder in (path, path / "data") for name in names]
    for place in places:
        if place.is_file() and place.name in names:
            return place
    raise ValueError(f"no file of split {split!r}: expected {' or '.join(names)} in {path} or its data folder")


def _read_pickle(request: Request) -> Iterator[Record]:
    place = _pickle_file(request.path, request.split)
    kinds = place.parent / "sub_dataset_dict.pk"
    named = read_pickle(inside(kinds, place.parent)).items() if kinds.is_file() else ()
    kind_of = {name: kind for kind, names in named for name in names}
    for record in records.values(read_pickle(place), place):
        yield {**record, "kind": kind_of.get(record.get("id"))}


def _problem_of_pickle(record: Record, _path: Path) -> Problem:
    where = f"GeoQA record {column(record, 'id', 'GeoQA record')}"
    label, values = column(record, "label", where), column(record, "choice_nums", where)
    letter = _letter(label, where)
    choices = tuple("" if value is None else f"{value:.10g}" for value in values)
    picture = column(record, "image", where)
    if picture["png"] is None:
        raise ValueError(f"{where}: image must be grey or RGB uint8, got {picture['dtype']} {tuple(picture['shape'])}")
    return Problem(
        id=str(record["id"]),
        source="geoqa",
        question=wording.with_choices(_words(record, where), choices),
        answer=wording.choice_text(choices, letter, where),
        images=(EncodedPicture(base64.b64decode(picture["png"])),),
        choices=choices,
        answer_letter=letter,
        category=record.get("kind"),
        facts={"choice_nums": values, "label": label},
    )


def _words(record: Record, where: str) -> str:
    """The question's tokens with the numbers in their places."""
    numbers, words = record.get("numbers") or (), []
    for word in column(record, "token_list", where):
        number = re.fullmatch(r"N_(\d+)", word)
        if number and int(number[1]) >= len(numbers):
            raise ValueError(f"{where}: the text asks for number {word}, but there are {len(numbers)} numbers")
        words.append(f"{numbers[int(number[1])]:.10g}" if number else word)
    return " ".join(words)


_NGS = Scoring(score=official.geoqa_program, rule="the first choice within 0.001 of the number is the right one (NGS)")
_R1V = Scoring(score=official.symbolic, rule=f"{SYMBOLIC.rule} (R1-V's math-verify)")
GLLAVA = Schema(
    name="geoqa_gllava",
    source="geoqa_gllava",
    official=Scoring(
        score=official.gllava, rule="the letter that G-LLaVA's patterns find in the response is the right one"
    ),
    splits=("test",),
    read=_read_gllava,
    problem=_problem_of_gllava,
    recognise=lambda path: (path / "test_questions.jsonl").is_file(),
)
JOINED = Schema(
    name="geoqa_joined",
    source="geoqa_joined",
    official=SYMBOLIC,
    splits=("train", "test"),
    read=_read_joined,
    problem=_problem_of_joined,
    recognise=lambda path: (path / "test_index.jsonl").is_file(),
)
R1V = table_schema(
    "geoqa_r1v", ("train",), _problem_of_r1v, {"image", "problem", "solution"}, official=_R1V, called="geoqa"
)
R1V_PROMPTS = table_schema(
    "geoqa_r1v_prompts",
    ("test",),
    _problem_of_r1v_prompt,
    {"image_path", "ground_truth"},
    source="geoqa_r1v",
    official=_R1V,
    called="geoqa",
)
HUB = table_schema(
    "geoqa_hub",
    ("train", "val", "test"),
    _problem_of_hub,
    {"subject", "choices", "label", "image"},
    source="geoqa",
    official=_NGS,
    called="geoqa",
    distinct={"formal_point"},
)
PICKLE = Schema(
    name="geoqa_pickle",
    source="geoqa",
    official=_NGS,
    splits=("train", "val", "test"),
    read=_read_pickle,
    problem=_problem_of_pickle,
    recognise=lambda path: any((path / folder / "train.pk").is_file() for folder in ("", "data")),
)
