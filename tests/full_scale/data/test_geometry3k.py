"""Geometry3K, as folders and as the hub's table: every field of a problem."""

import pytest
from layouts import picture, png, write_json
from realdata import GEOMETRY3K

from full_scale.data import expert_response, load_problems
from full_scale.data.geometry3k import FOLDERS, HUB
from full_scale.data.records import fingerprint
from full_scale.data.schema import Request
from full_scale.problems.pictures import EncodedPicture
from full_scale.verifier import official

DATA = {
    "problem_text": " Find x. ",
    "choices": ["50", "65"],
    "answer": "B",
    "problem_type_goal": ["Length", "Angle"],
    "precise_value": [50.0, 65.0],
}


def folder(tmp_path, name="7", split="train", **changes):
    write_json(tmp_path / split / name / "data.json", {**DATA, **changes})
    picture(tmp_path / split / name / "img_diagram.png")


def read(tmp_path, split="train"):
    return [FOLDERS.problem(row, tmp_path) for row in FOLDERS.read(Request(path=tmp_path, split=split))]


def test_the_folders_of_the_repository():
    train, test = (load_problems(str(GEOMETRY3K), split=split) for split in ("train", "test"))
    assert [problem.id for problem in train + test] == ["1091", "1427", "1836", "2600", "2733", "2946"]
    assert [problem.answer for problem in test] == ["8 \\sqrt { 3 }", "12 \\sqrt { 2 }", "80"]
    assert train[0].rgb_images()[0].size == (216, 215)
    assert all(image.mode == "RGB" for problem in train + test for image in problem.rgb_images())
    assert all(expert_response(problem) is None for problem in train + test)


def test_a_folder_is_a_problem(tmp_path):
    folder(tmp_path)
    (problem,) = read(tmp_path)
    assert (problem.id, problem.source, problem.question) == ("7", "geometry3k", "Find x.")
    assert (problem.answer, problem.answer_letter, problem.choices) == ("65", "B", ("50", "65"))
    assert problem.images == (tmp_path / "train" / "7" / "img_diagram.png",)
    assert (problem.category, problem.facts) == ("Length, Angle", {"precise_value": [50.0, 65.0]})


def test_the_annotated_text_goes_before_the_compact_one_and_folders_are_in_the_order_of_their_numbers(tmp_path):
    folder(tmp_path, "10", annotat_text="Find y.", problem_type_goal=None)
    folder(tmp_path, "9", annotat_text="")
    folder(tmp_path, "8", split="test")
    nine, ten = read(tmp_path)
    assert [(one.id, one.question, one.category) for one in (nine, ten)] == [
        ("9", "Find x.", "Length, Angle"),
        ("10", "Find y.", None),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": "C"}, "Geometry3K problem 7: the answer 'C' is not a letter of its 2 choices"),
        ({"answer": "A", "choices": ["", "1"]}, "record '7' of 'geometry3k': the answer is empty"),
    ],
)
def test_a_folder_that_is_none(changes, message, tmp_path):
    folder(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_a_file_without_an_object_is_named(tmp_path):
    folder(tmp_path)
    write_json(tmp_path / "train" / "7" / "data.json", 3)
    with pytest.raises(ValueError, match=r"/data\.json must be a list of JSON objects"):
        read(tmp_path)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_folders_are_recognised_by_any_split(split, tmp_path):
    assert not FOLDERS.recognise(tmp_path)
    write_json(tmp_path / split / "data.json", DATA)
    assert not FOLDERS.recognise(tmp_path)
    folder(tmp_path, split=split)
    assert FOLDERS.recognise(tmp_path)


ROW = {"images": [png()], "problem": "<image>Find x", "answer": "65"}


def test_a_row_of_the_hub(tmp_path):
    problem = HUB.problem(ROW, tmp_path)
    assert (problem.id, problem.source, problem.question) == (fingerprint("<image>Find x65"), "geometry3k", "Find x")
    assert (problem.answer, problem.answer_letter, problem.choices) == ("65", None, ())
    assert problem.images == (EncodedPicture(png()),)
    more = HUB.problem({**ROW, "id": 0, "answer": 65, "choices": ["50", "65"], "ground_truth": "B"}, tmp_path)
    assert (more.id, more.answer, more.answer_letter, more.choices) == ("0", "65", "B", ("50", "65"))
    assert HUB.problem({**ROW, "choices": [], "ground_truth": "B"}, tmp_path).answer_letter is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "Geometry3K row 7: the question shows a picture, but the record has none"),
        ({"images": 5}, "Geometry3K row 7: a picture must be"),
        ({"answer": {}}, "Geometry3K row 7: the answer must be one text"),
    ],
)
def test_a_row_of_the_hub_that_is_none(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        HUB.problem({**ROW, "id": 7, **changes}, tmp_path)


def test_the_hubs_table_is_told_by_a_word_in_its_path_or_by_its_choices(tmp_path):
    for name, row, is_one in [
        ("my_geometry3k", ROW, True),
        ("other", ROW, False),
        ("third", {**ROW, "choices": [], "ground_truth": ""}, True),
        ("fourth", {**ROW, "choices": []}, False),
    ]:
        write_json(tmp_path / name / "train.json", [{**row, "images": []}])
        assert HUB.recognise(tmp_path / name) == is_one


def test_names_splits_and_scoring():
    assert (FOLDERS.name, HUB.name) == ("geometry3k", "geometry3k_hub")
    for schema in (FOLDERS, HUB):
        assert (schema.source, schema.splits) == ("geometry3k", ("train", "val", "test"))
        assert schema.official.score is official.geometry3k
