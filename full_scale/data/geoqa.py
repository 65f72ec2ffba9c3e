"""GeoQA: G-LLaVA's files, R1-V's, the hub's table and the original pickles.

Pickles are read by an unpickler that builds NumPy arrays and nothing else.
"""

import importlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from full_scale.data import records
from full_scale.data.records import Cell, Record, column
from full_scale.data.schema import Schema, table_schema
from full_scale.data.tables import pictures_of
from full_scale.problems.pictures import Picture, find_picture
from full_scale.problems.problem import LETTERS, Problem

_NUMPY = {
    ("numpy", "ndarray"),
    ("_codecs", "encode"),  # how Python 3 writes an array's bytes at protocol 2
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles plain containers and NumPy arrays; anything else could run code and is refused."""

    def find_class(self, module: str, name: str) -> object:
        """Look up a class or function that the pickle asks for.

        Args:
            module: Its module.
            name: Its name.

        Returns:
            NumPy's own object.

        Raises:
            ValueError: The pickle asks for anything but a NumPy array.
        """
        if (module, name) not in _NUMPY:
            raise ValueError(
                f"the pickle asks for {module}.{name}; only NumPy arrays are allowed: do not trust this file"
            )
        return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)


def _read_gllava(path: Path, split: str) -> Iterator[Record]:
    folder = path if path.is_dir() else path.parent
    beside = folder.parent / "images"  # G-LLaVA keeps the texts in a folder of their own
    pictures = beside if beside.is_dir() and not (folder / "images").is_dir() else folder
    answers = {row["question_id"]: row["text"] for row in records.read_jsonl(folder / f"{split}_answers.jsonl")}
    for row in records.read_jsonl(folder / f"{split}_questions.jsonl"):
        yield {**row, "answer": answers.get(row["question_id"], ""), "image": find_picture(pictures, row["image"])}


def _problem_of_gllava(record: Record, _path: Path) -> Problem:
    where = f"GeoQA question {column(record, 'question_id', 'GeoQA record')}"
    text = column(record, "text", where)
    question = text.partition("Question:")[2].strip() or text.strip()
    choices = records.listed_choices(question)
    return Problem(
        id=str(record["question_id"]),
        source="geoqa_gllava",
        question=question,
        answer=records.choice_text(choices, record["answer"], where),
        images=(record["image"],),
        choices=choices,
        answer_letter=record["answer"],
    )


def _read_joined(path: Path, split: str) -> Iterator[Record]:
    for row in records.read_jsonl(path / ("cot_index.jsonl" if split == "train" else "test_index.jsonl")):
        yield {**row, "image": find_picture(path, row["image"])}


def _problem_of_joined(record: Record, _path: Path) -> Problem:
    name = str(record.get("question_id", record.get("formalgeo_problem_id")))
    return Problem(
        id=name,
        source="geoqa_joined",
        question=record.get("question") or column(record, "question_cn", f"GeoQA record {name}"),
        answer=str(record.get("answer_text") or record.get("answer") or ""),
        images=(record["image"],),
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
        question=records.without_image_marks(question, images, where),
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
        question=records.with_choices(column(record, "subject", where), choices),
        answer=records.choice_text(choices, letter, where),
        images=_one_picture(pictures_of(column(record, "image", where), path, where), where),
        choices=choices,
        answer_letter=letter,
        solution=record.get("answer") or None,
    )


def _letter(label: Cell, where: str) -> str:
    if not isinstance(label, int | np.integer) or not 0 <= label < len(LETTERS):
        raise ValueError(f"{where}: label must be the number of a choice, from 0, got {label!r}")
    return LETTERS[label]


def _pickle_file(path: Path, split: str) -> Path:
    names = [f"{name}.pk" for name in ((split, "dev") if split == "val" else (split,))]
    places = [path] if path.is_file() else [folder / name for folder in (path, path / "data") for name in names]
    for place in places:
        if place.is_file() and place.name in names:
            return place
    raise ValueError(f"no file of split {split!r}: expected {' or '.join(names)} in {path} or its data folder")


def _unpickled(place: Path) -> Cell:
    with place.open("rb") as file:
        try:
            return ArrayUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError, IndexError, KeyError, AttributeError) as error:
            raise ValueError(f"cannot read {place} as a pickle: {error!r}; download it again") from error


def _read_pickle(path: Path, split: str) -> Iterator[Record]:
    place = _pickle_file(path, split)
    kinds = place.parent / "sub_dataset_dict.pk"
    kind_of = {name: kind for kind, names in _unpickled(kinds).items() for name in names} if kinds.is_file() else {}
    for record in records.values(_unpickled(place)):
        yield {**record, "kind": kind_of.get(record.get("id"))}


def _problem_of_pickle(record: Record, _path: Path) -> Problem:
    where = f"GeoQA record {column(record, 'id', 'GeoQA record')}"
    label, values = column(record, "label", where), column(record, "choice_nums", where)
    letter = _letter(label, where)
    choices = tuple("" if value is None else f"{value:.10g}" for value in values)
    picture = np.asarray(column(record, "image", where))
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise ValueError(f"{where}: image must be grey or RGB uint8, got {picture.dtype} {picture.shape}")
    return Problem(
        id=str(record["id"]),
        source="geoqa",
        question=records.with_choices(_words(record, where), choices),
        answer=records.choice_text(choices, letter, where),
        images=(PIL.Image.fromarray(picture),),
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


GLLAVA = Schema(
    name="geoqa_gllava",
    splits=("test",),
    read=_read_gllava,
    problem=_problem_of_gllava,
    recognise=lambda path: (path / "test_questions.jsonl").is_file(),
)
JOINED = Schema(
    name="geoqa_joined",
    splits=("train", "test"),
    read=_read_joined,
    problem=_problem_of_joined,
    recognise=lambda path: (path / "test_index.jsonl").is_file(),
)
R1V = table_schema("geoqa_r1v", ("train",), _problem_of_r1v, {"image", "problem", "solution"})
R1V_PROMPTS = table_schema("geoqa_r1v_prompts", ("test",), _problem_of_r1v_prompt, {"image_path", "ground_truth"})
HUB = table_schema("geoqa_hub", ("train", "val", "test"), _problem_of_hub, {"subject", "choices", "label", "image"})
PICKLE = Schema(
    name="geoqa_pickle",
    splits=("train", "val", "test"),
    read=_read_pickle,
    problem=_problem_of_pickle,
    recognise=lambda path: any((path / folder / "train.pk").is_file() for folder in ("", "data")),
)
