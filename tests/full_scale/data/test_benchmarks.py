"""Benchmarks of one table each: every field of a problem, and what is refused."""

import re
from contextlib import suppress

import pytest
from layouts import picture, png, write_json

from full_scale.data import DATASETS, Quarantine, load_problems
from full_scale.data.records import fingerprint
from full_scale.data.schema import Request
from full_scale.problems.pictures import EncodedPicture
from full_scale.verifier import official

WHITE = EncodedPicture(png())


def problem(name, record, path=None):
    return DATASETS[name].problem(record, path)


def fields(made, *names):
    return tuple(getattr(made, name) for name in names)


MATHVISTA = {
    "pid": 7,
    "question": "q",
    "answer": "65",
    "image": "gone.png",
    "decoded_image": png(),
    "choices": ["50", "65"],
    "unit": None,
    "metadata": {"task": "geometry"},
    "question_type": "multi_choice",
    "answer_type": "text",
    "precision": 1.0,
}


def test_mathvista(tmp_path):
    made = problem("mathvista", MATHVISTA)
    assert fields(made, "id", "source", "answer", "answer_letter") == ("7", "mathvista", "65", "B")
    assert made.question == "q\nChoices:\n(A) 50\n(B) 65"
    assert fields(made, "choices", "images", "category") == (("50", "65"), (WHITE,), "geometry")
    assert made.facts == {"question_type": "multi_choice", "answer_type": "text", "precision": 1.0}
    free = problem("mathvista", {**MATHVISTA, "choices": None, "unit": "cm", "metadata": None, "answer": 1.5})
    assert fields(free, "question", "answer", "answer_letter") == ("q (Unit: cm)", "1.5", None)
    assert fields(free, "choices", "category", "solution") == ((), None, None)
    picture(tmp_path / "0.png")
    named = {**MATHVISTA, "decoded_image": None, "image": "0.png"}
    assert problem("mathvista", named, tmp_path).images == (tmp_path / "0.png",)
    with pytest.raises(ValueError, match="MathVista problem 7: no picture in column decoded_image or image; leave"):
        problem("mathvista", {**named, "image": ""})


def test_hidden_labels_are_refused():
    with pytest.raises(ValueError, match="MathVista problem 7 has no answer: the labels of split test are hidden; use"):
        problem("mathvista", {**MATHVISTA, "answer": ""})


MATHVISION = {
    "id": 4,
    "question": "Which?\n<image1>",
    "options": ["x", "y"],
    "answer": "B",
    "image": png(),
    "level": 1,
    "subject": "logic",
    "solution": "",
}


def test_mathvision():
    made = problem("mathvision", MATHVISION)
    assert fields(made, "id", "source", "answer", "answer_letter") == ("4", "mathvision", "y", "B")
    assert made.question == "Which?\nChoices:\n(A) x\n(B) y"
    assert fields(made, "choices", "images", "category", "solution") == (("x", "y"), (WHITE,), "logic", None)
    free = problem("mathvision", {**MATHVISION, "options": None, "answer": 7, "solution": "so 7"})
    assert fields(free, "question", "answer", "answer_letter") == ("Which?", "7", None)
    assert fields(free, "choices", "solution") == ((), "so 7")
    with pytest.raises(ValueError, match="MATH-Vision problem 4: no picture in column decoded_image or image"):
        problem("mathvision", {**MATHVISION, "image": None})


MATHVERSE = {
    "sample_index": "3",
    "pid": "9",
    "problem_version": "Text Lite",
    "question": "q\nChoice:\nA. True\nB. False\nC. Both",
    "answer": "(C)",
    "image": png(),
    "metadata": {"subject": "Plane Geometry"},
}


@pytest.mark.parametrize(
    ("answer", "text", "letter"),
    [
        ("(C)", "Both", "C"),
        ("C", "Both", "C"),
        ("False", "False", "B"),
        ("A\nB", "A\nB", None),
        ("D", "D", None),
        (" B ", "False", "B"),
    ],
)
def test_mathverse_answers_in_brackets_as_texts_and_of_several_letters(answer, text, letter):
    made = problem("mathverse", {**MATHVERSE, "answer": answer})
    assert fields(made, "answer", "answer_letter") == (text, letter)
    assert made.choices == (("True", "False", "Both") if letter else ())
    assert made.facts == {"subject": "Plane Geometry", "answer": answer}


def test_mathverse():
    made = problem("mathverse", MATHVERSE)
    assert fields(made, "id", "source", "question", "images", "category") == (
        *("3", "mathverse", MATHVERSE["question"], (WHITE,), "Text Lite"),
    )
    page = {  # as the project page has it
        "pid": "9",
        "question": "q",
        "choices": ["A:1", "B:2"],
        "answer": "B",
        "metadata": {"problem_version": "Vision Only", "subjects": "s"},
    }
    made = problem("mathverse", page)
    assert fields(made, "id", "question", "answer") == ("9", "q\nChoices:\nA:1\nB:2", "2")
    assert fields(made, "images", "category") == ((), "Vision Only")
    assert made.facts["subject"] == "s"
    with pytest.raises(ValueError, match=r"MathVerse sample \(no id\) has no column 'question'"):
        problem("mathverse", {"answer": "1"})
    with pytest.raises(ValueError, match="record '9' of 'mathverse': the answer is empty"):
        problem("mathverse", {**page, "answer": None, "choices": None})
    assert problem("mathverse", {**page, "choices": None, "metadata": None}).category is None


def test_mmk12(tmp_path):
    record = {"id": 5, "question": "<image>q", "answer": "$65$ ", "image": png(), "subject": "math"}
    made = problem("mmk12", record)
    assert fields(made, "id", "source", "question", "answer", "images", "category") == (
        *("5", "mmk12", "q", "65", (WHITE,), "math"),
    )
    picture(tmp_path / "images" / "a.png")
    path = problem("mmk12", {"id": 5, "question": "q", "answer": 6.5, "image_path": "a.png"}, tmp_path)
    assert fields(path, "answer", "images", "category") == ("6.5", (tmp_path / "images" / "a.png",), None)
    with pytest.raises(ValueError, match="MMK12 problem 5: no picture in column image or image_path"):
        problem("mmk12", {**record, "image": None})


def test_virl39k():
    record = {"qid": 5, "question": "<image>q <image>", "answer": "\\boxed{65}", "image": [png()] * 2, "category": "c"}
    made = problem("virl39k", record)
    assert fields(made, "id", "source", "question", "answer", "images", "category") == (
        *("5", "virl39k", "q", "65", (WHITE, WHITE), "c"),
    )
    text = problem("virl39k", {"qid": 5, "question": "q", "answer": 65, "image": []})
    assert fields(text, "answer", "images", "category") == ("65", (), None)
    with pytest.raises(ValueError, match="ViRL39K question 5: the question shows a picture, but the record has none"):
        problem("virl39k", {**record, "image": None})


def test_verl():
    chat = [{"role": "system", "content": "think"}, {"role": "user", "content": "<image>Find x"}]
    truth = {"ground_truth": "\\boxed{65}"}
    row = {"prompt": chat, "reward_model": truth, "images": [png()], "solution": "s", "data_source": "d"}
    made = problem("verl", {**row, "extra_info": {"index": 3}})
    assert fields(made, "id", "source", "question", "answer", "images", "category", "solution") == (
        *("3", "verl", "Find x", "65", (WHITE,), "d", "s"),
    )
    parts = [{"type": "image", "text": "no"}, {"type": "text", "text": "a"}, {"type": "text", "text": None}]
    spoken = [{"role": "user", "content": parts}, {"role": "assistant", "content": "b"}, {"role": "user"}]
    made = problem("verl", {"prompt": spoken, "reward_model": {"ground_truth": 65}, "solution": ""})
    assert fields(made, "id", "question", "answer") == (fingerprint("a\n 65"), "a", "65")
    assert fields(made, "solution", "images", "category") == (None, (), None)
    with pytest.raises(ValueError, match=r"record '.*' of 'verl': the answer is empty"):
        problem("verl", {"prompt": spoken, "reward_model": None})
    with pytest.raises(ValueError, match="verl row 3: the question shows a picture, but the record has none"):
        problem("verl", {**row, "images": None, "extra_info": {"index": 3}})


GEOEVAL = {
    "diagram_name": "d.png",
    "text": {"Num_Exp": "Find x", "aug_problem": "Find z"},
    "answer_value": 65.0,
    "backward_text": "Find y",
    "backward_answer_value": 7,
}


@pytest.mark.parametrize(
    ("split", "file", "question", "answer"),
    [
        ("test", "dataset_merge", "Find x", "65"),
        ("select", "select", "Find x", "65"),
        ("aug", "aug", "Find z", "65"),
        ("backward", "backward_aug", "Find y", "7"),
    ],
)
def test_geoeval(split, file, question, answer, tmp_path):
    write_json(tmp_path / f"{file}.json", {"p1": GEOEVAL, "p2": {**GEOEVAL, "diagram_name": None}})
    picture(tmp_path / "images" / "d.png")
    schema = DATASETS["geoeval"]
    for place in (tmp_path, tmp_path / f"{file}.json"):
        made = [schema.problem(row, tmp_path) for row in schema.read(Request(path=place, split=split))]
        assert [fields(one, "id", "source", "question", "answer", "category") for one in made] == [
            ("p1", "geoeval", question, answer, "with diagram"),
            ("p2", "geoeval", question, answer, "text only"),
        ]
        assert [len(one.images) for one in made] == [1, 0]
    assert schema.recognise(tmp_path) == (split != "backward")  # it stands beside the others
    assert not schema.recognise(tmp_path / f"{file}.json")
    without = {**GEOEVAL, "id": "p1", "split": split, "backward_text": None, "text": {"Num_Exp": "n"}}
    if split != "aug":
        assert schema.problem(without, tmp_path).question == "n"


def test_a_file_of_geoeval_that_is_none(tmp_path):
    read = DATASETS["geoeval"].read
    write_json(tmp_path / "dataset_merge.json", [GEOEVAL])
    with pytest.raises(ValueError, match=r"dataset_merge.json must be a JSON object of problems by id, got list"):
        list(read(Request(path=tmp_path, split="test")))
    write_json(tmp_path / "dataset_merge.json", {"p1": 3})
    with pytest.raises(ValueError, match=r"dataset_merge.json must be a list of JSON objects"):
        list(read(Request(path=tmp_path, split="test")))


def test_geoeval_nulls(tmp_path):
    row = {"diagram_name": None, "text": {"Num_Exp": "Find x", "aug_problem": None}, "choice_list": ["1", None]}
    rows = {"p1": {**row, "answer_value": 65.0}, "p2": {**row, "answer_value": None}}
    write_json(tmp_path / "dataset_merge.json", rows)
    with pytest.raises(ValueError, match="record 'p2' of 'geoeval': the answer is empty"):
        load_problems(str(tmp_path), split="test")
    kept = load_problems(str(tmp_path), split="test", quarantine=Quarantine(most=1))
    assert [one.id for one in kept] == ["p1"]
    with pytest.raises(ValueError, match="neither a question nor a picture"):
        DATASETS["geoeval"].problem({**rows["p1"], "id": "p", "split": "aug"}, tmp_path)


@pytest.mark.parametrize(
    ("name", "splits", "score", "columns", "called"),
    [
        ("mathvista", ("testmini", "test"), official.mathvista, {"pid", "question", "answer_type"}, "any"),
        ("mathvision", ("test", "testmini"), official.mathvision, {"options", "image", "level", "subject"}, "any"),
        (
            *("mathverse", ("testmini", "testmini_text_only"), official.mathverse),
            *({"question", "answer", "pid", "metadata", "question_type", "choices"}, "any"),
        ),
        ("mathverse", ("testmini", "testmini_text_only"), None, {"question", "answer", "problem_version"}, "any"),
        ("mmk12", ("test", "train"), official.symbolic, {"id", "question", "answer", "image_path"}, "mmk12"),
        ("mmk12", ("test", "train"), None, {"id", "question", "answer", "image", "subject"}, "x_mmk12_y"),
        (
            *("virl39k", ("train",), official.symbolic),
            *({"qid", "question", "answer", "image", "category", "source"}, "any"),
        ),
        ("verl", ("train", "val", "test"), official.symbolic, {"prompt", "reward_model"}, "any"),
        ("geoeval", ("test", "select", "aug", "backward"), official.geoeval, None, "any"),
    ],
)
def test_a_benchmark_has_its_splits_its_scoring_and_its_columns(name, splits, score, columns, called, tmp_path):
    schema = DATASETS[name]
    assert (schema.name, schema.source, schema.splits) == (name, name, splits)
    assert score is None or schema.official.score is score
    assert bool(schema.official.warning) == (name == "mathvista")
    if columns:
        write_json(tmp_path / called / "t.json", [dict.fromkeys(columns, "1")])
        assert schema.recognise(tmp_path / called)
        for left in columns:
            write_json(tmp_path / "other" / called / "t.json", [dict.fromkeys(columns - {left}, "1")])
            assert not schema.recognise(tmp_path / "other" / called) or left == "problem_version"


MMK12 = {"id": 5, "question": "<image>q", "answer": "65", "image": png()}
VIRL39K = {"qid": 5, "question": "<image>q", "answer": "65", "image": [png()]}
VERL = {
    "prompt": [{"role": "user", "content": "<image>q"}],
    "reward_model": {"ground_truth": "65"},
    "images": [png()],
    "extra_info": {"index": 3},
}


@pytest.mark.parametrize(
    ("name", "record", "where"),
    [
        ("mathvista", MATHVISTA, "MathVista problem 7"),
        ("mathvision", MATHVISION, "MATH-Vision problem 4"),
        ("mathverse", MATHVERSE, "MathVerse sample 3"),
        ("mmk12", MMK12, "MMK12 problem 5"),
        ("virl39k", VIRL39K, "ViRL39K question 5"),
        ("verl", VERL, "verl row (3|: the ground truth)"),
        ("geoeval", {**GEOEVAL, "id": "p", "split": "test"}, "GeoEval problem p"),
        ("geoeval", {**GEOEVAL, "id": "p", "split": "backward"}, "GeoEval problem p"),
    ],
)
def test_what_is_wrong_with_a_cell_is_said_with_the_problems_name(name, record, where, tmp_path):
    picture(tmp_path / "images" / "d.png")
    changes = [{"image": "gone/../../x.png"}, {"image": 5}, {"images": [5]}, {"diagram_name": 5}]
    changes += [{column: value} for column in record for value in ([1, 2], {"a": 1}, True, float("nan"))]
    names = {"id", "pid", "qid", "split", "sample_index", "extra_info"}
    wrong = [{**record, **change} for change in changes if not names & change.keys()]
    lacking = [{key: value for key, value in record.items() if key != column} for column in record]
    said = list(filter(None, (refusal(name, one, tmp_path) for one in wrong + lacking)))
    assert len(said) >= 4
    for text in said:
        assert re.match(rf"{where}|record '\w+' of '{name}': |\w+(-Vision)? (record|row) has no column", text)


def refusal(name, record, path):
    """What is said about a record; nothing where a cell has a type that `load_problems` tells."""
    with suppress(TypeError, AttributeError, KeyError):
        try:
            problem(name, record, path)
        except ValueError as error:
            return str(error)
    return ""
