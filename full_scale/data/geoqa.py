"""GeoQA: G-LLaVA's files, R1-V's parquet, the hub's parquet and the original pickles.

Pickles are read by an unpickler that builds NumPy arrays and nothing else.
"""

import importlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

from full_scale.data import records
from full_scale.data.records import Record, column
from full_scale.data.schema import Schema
from full_scale.problem import LETTERS, Problem

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
    answers = {row["question_id"]: row["text"] for row in records.read_jsonl(folder / f"{split}_answers.jsonl")}
    for row in records.read_jsonl(folder / f"{split}_questions.jsonl"):
        yield {**row, "answer": answers.get(row["question_id"], ""), "image": records.picture(path, row["image"])}


def _problem_of_gllava(record: Record) -> Problem:
    where = f"GeoQA question {column(record, 'question_id', 'GeoQA record')}"
    question = column(record, "text", where).partition("Question:")[2].strip()
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
        yield {**row, "image": records.picture(path, row["image"])}


def _problem_of_joined(record: Record) -> Problem:
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


def _read_parquet(path: Path, split: str) -> Iterator[Record]:
    return records.read_parquet(records.parquet_files(path, split))


def _problem_of_r1v(record: Record) -> Problem:
    question = column(record, "problem", "R1-V row")
    where = f"R1-V row {question[:40]!r}"
    tagged = re.search(r"<answer>(.*?)</answer>", column(record, "solution", where), re.DOTALL)
    if tagged is None:
        raise ValueError(f"{where}: the solution {record['solution']!r} has no <answer>...</answer>")
    return Problem(
        id=records.fingerprint(question),
        source="geoqa_r1v",
        question=records.without_image_marks(question),
        answer=tagged[1].strip(),
        images=(records.embedded_image(column(record, "image", where), where),),
    )


def _problem_of_hub(record: Record) -> Problem:
    where = f"GeoQA row {column(record, 'id', 'GeoQA row')}"
    choices, label = tuple(column(record, "choices", where)), column(record, "label", where)
    letter = LETTERS[label]
    return Problem(
        id=str(record["id"]),
        source="geoqa",
        question=column(record, "subject", where),
        answer=records.choice_text(choices, letter, where),
        images=(records.embedded_image(column(record, "image", where), where),),
        choices=choices,
        answer_letter=letter,
        solution=record.get("answer"),
    )


def _read_pickle(path: Path, split: str) -> Iterator[Record]:
    place = records.split_file(path, {"val": "dev"}.get(split, split), ".pk")
    with place.open("rb") as file:
        try:
            yield from ArrayUnpickler(file).load()
        except (pickle.UnpicklingError, EOFError) as error:
            raise ValueError(f"cannot read {place} as a pickle: {error}") from error


def _problem_of_pickle(record: Record) -> Problem:
    where = f"GeoQA record {column(record, 'id', 'GeoQA record')}"
    numbers, label = record.get("numbers", ()), column(record, "label", where)
    values = column(record, "choice_nums", where)
    choices = tuple("" if value is None else f"{value:g}" for value in values)
    tokens = column(record, "token_list", where)
    words = (str(numbers[int(word[2:])]) if re.fullmatch(r"N_\d+", word) else word for word in tokens)
    return Problem(
        id=str(record["id"]),
        source="geoqa",
        question=records.with_choices(" ".join(words), choices),
        answer=choices[label],
        images=(PIL.Image.fromarray(column(record, "image", where)),),
        choices=choices,
        answer_letter=LETTERS[label],
        facts={"choice_nums": values, "label": label},
    )


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
R1V = Schema(
    name="geoqa_r1v",
    splits=("train",),
    read=_read_parquet,
    problem=_problem_of_r1v,
    recognise=lambda path: records.has_columns(path, {"image", "problem", "solution"}),
)
HUB = Schema(
    name="geoqa_hub",
    splits=("train", "val", "test"),
    read=_read_parquet,
    problem=_problem_of_hub,
    recognise=lambda path: records.has_columns(path, {"subject", "choices", "label", "image"}),
)
PICKLE = Schema(
    name="geoqa_pickle",
    splits=("train", "val", "test"),
    read=_read_pickle,
    problem=_problem_of_pickle,
    recognise=lambda path: any((path / folder / "train.pk").is_file() for folder in ("", "data")),
)
