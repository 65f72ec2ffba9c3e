"""GeoQA in its five forms: every field of a problem, and what is refused."""

import base64
import pickle

import numpy as np
import pytest
from layouts import geoqa_pickle, gllava, picture, png, write_json, write_jsonl

from full_scale.data import geoqa, load_problems
from full_scale.data.records import fingerprint
from full_scale.data.schema import Request
from full_scale.problems.pictures import EncodedPicture
from full_scale.verifier import official

WHITE = EncodedPicture(png())


def read(schema, path, split):
    return [schema.problem(row, path) for row in schema.read(Request(path=path, split=split))]


def test_gllava(tmp_path):
    gllava(tmp_path)
    (problem,) = read(geoqa.GLLAVA, tmp_path, "test")
    assert (problem.id, problem.source) == ("0", "geoqa_gllava")
    assert problem.question == "angle 2 is ()\nChoices:\nA:50°\nB:65°"
    assert (problem.answer, problem.answer_letter, problem.choices) == ("65°", "B", ("50°", "65°"))
    assert problem.images == (tmp_path / "images" / "test" / "0.png",)
    assert read(geoqa.GLLAVA, tmp_path / "test_questions.jsonl", "test")[0].images == problem.images
    assert geoqa.GLLAVA.recognise(tmp_path)
    assert not geoqa.GLLAVA.recognise(tmp_path / "images")


def test_gllavas_pictures_may_lie_beside_the_folder_of_its_texts(tmp_path):
    gllava(tmp_path / "texts")
    (tmp_path / "texts" / "images").rename(tmp_path / "images")
    (problem,) = read(geoqa.GLLAVA, tmp_path / "texts", "test")
    assert problem.images == (tmp_path / "images" / "test" / "0.png",)
    picture(tmp_path / "texts" / "images" / "test" / "0.png")
    (problem,) = read(geoqa.GLLAVA, tmp_path / "texts", "test")
    assert problem.images == (tmp_path / "texts" / "images" / "test" / "0.png",)


def test_a_question_of_gllava_without_an_answer_is_named(tmp_path):
    gllava(tmp_path)
    write_jsonl(tmp_path / "test_answers.jsonl", [{"question_id": 5, "text": "B"}])
    with pytest.raises(ValueError, match="GeoQA question 0: the answer '' is not a letter of its 2 choices"):
        read(geoqa.GLLAVA, tmp_path, "test")
    write_jsonl(tmp_path / "test_answers.jsonl", [{"text": "B"}])
    with pytest.raises(ValueError, match=r"test_answers.jsonl: an answer has no column 'question_id'"):
        read(geoqa.GLLAVA, tmp_path, "test")


def test_gllava_without_the_word_question_is_taken_as_it_is(tmp_path):
    gllava(tmp_path)
    text = " angle 2?\nChoices:\nA:1\nB:2 "
    write_jsonl(tmp_path / "test_questions.jsonl", [{"question_id": 0, "image": "test/0.png", "text": text}])
    assert read(geoqa.GLLAVA, tmp_path, "test")[0].question == text.strip()


JOINED = {
    "formalgeo_problem_id": 4,
    "question": "",
    "question_cn": "角",
    "answer": "B",
    "answer_text": "65",
    "image": "images/0.png",
    "choices": ["50", "65"],
    "label": "B",
    "solution_cn": "因为",
}


@pytest.mark.parametrize(("split", "file"), [("train", "cot_index"), ("test", "test_index")])
def test_joined(split, file, tmp_path):
    picture(tmp_path / "images" / "0.png")
    write_jsonl(tmp_path / f"{file}.jsonl", [JOINED])
    (problem,) = read(geoqa.JOINED, tmp_path, split)
    assert (problem.id, problem.source, problem.question) == ("4", "geoqa_joined", "角")
    assert (problem.answer, problem.answer_letter, problem.choices) == ("65", "B", ("50", "65"))
    assert (problem.solution, problem.images) == ("因为", (tmp_path / "images" / "0.png",))
    assert geoqa.JOINED.recognise(tmp_path) == (split == "test")
    other = {"question_id": 9, "question": "q", "answer": 7, "image": "images/0.png"}
    problem = geoqa.JOINED.problem({**other, "formalgeo_problem_id": 1}, tmp_path)
    assert (problem.id, problem.question, problem.answer) == ("9", "q", "7")
    assert (problem.choices, problem.answer_letter, problem.solution) == ((), None, None)
    with pytest.raises(ValueError, match="GeoQA record 9 has no column 'question_cn'"):
        geoqa.JOINED.problem({**other, "question": None}, tmp_path)


def test_r1v():
    row = {"image": png(), "problem": "<image>angle 2?", "solution": "so\n<answer> 65° </answer> or <answer>1</answer>"}
    problem = geoqa.R1V.problem(row, None)
    assert (problem.source, problem.question, problem.answer) == ("geoqa_r1v", "angle 2?", "65°")
    assert problem.images == (WHITE,)
    assert problem.id == fingerprint(f"<image>angle 2? {row['solution']} {[png()]}")
    across = geoqa.R1V.problem({**row, "solution": "<answer>a\nb</answer>"}, None)
    assert across.answer == "a\nb"
    with pytest.raises(ValueError, match=r"R1-V row '<image>angle 2\?': the solution 'so 5' has no <answer>"):
        geoqa.R1V.problem({**row, "solution": "so 5"}, None)
    with pytest.raises(ValueError, match="the record has no picture; leave the record out"):
        geoqa.R1V.problem({**row, "image": None}, None)


def test_prompts_of_r1v(tmp_path):
    picture(tmp_path / "images" / "7.png")
    row = {"image_path": "images/7.png", "question": "angle 2?", "ground_truth": 65}
    problem = geoqa.R1V_PROMPTS.problem(row, tmp_path)
    assert (problem.id, problem.source, problem.question, problem.answer) == ("7", "geoqa_r1v", "angle 2?", "65")
    assert (problem.images, problem.choices) == ((tmp_path / "images" / "7.png",), ())
    with pytest.raises(ValueError, match=r"R1-V prompt 'q{40}': the record has no picture"):
        geoqa.R1V_PROMPTS.problem({**row, "question": "q" * 50, "image_path": ""}, tmp_path)


HUB = {"id": 3, "subject": "∠2 = ?", "choices": ["50°", "65°"], "label": 1, "answer": "因为", "image": png()}


def test_the_hubs_table():
    problem = geoqa.HUB.problem(HUB, None)
    assert (problem.id, problem.source, problem.question) == ("3", "geoqa", "∠2 = ?\nChoices:\n(A) 50°\n(B) 65°")
    assert (problem.answer, problem.answer_letter, problem.choices) == ("65°", "B", ("50°", "65°"))
    assert (problem.solution, problem.images) == ("因为", (WHITE,))
    assert geoqa.HUB.problem({**HUB, "label": 0}, None).answer_letter == "A"
    assert geoqa.HUB.problem({**HUB, "answer": ""}, None).solution is None
    ten = {**HUB, "choices": list("abcdefghij"), "label": 9}
    assert geoqa.HUB.problem(ten, None).answer_letter == "J"


@pytest.mark.parametrize("label", [-1, 10, "1", None, 1.0])
def test_a_label_that_is_no_number_of_a_choice_is_refused(label):
    with pytest.raises(ValueError, match="GeoQA row 3: label must be the number of a choice, from 0, got "):
        geoqa.HUB.problem({**HUB, "label": label}, None)


def test_the_tables_are_told_by_a_word_in_the_path_or_by_distinct_columns(tmp_path):
    columns = {
        "R1V": {"image", "problem", "solution"},
        "R1V_PROMPTS": {"image_path", "ground_truth"},
        "HUB": {"subject", "choices", "label", "image"},
    }
    for name, names in columns.items():
        schema = getattr(geoqa, name)
        for place, is_one in (("GEOQA_8K", True), ("mine", False)):
            write_json(tmp_path / name / place / "train.json", [dict.fromkeys(names, "1")])
            assert schema.recognise(tmp_path / name / place) == is_one
        for left in names:
            write_json(tmp_path / name / left / "geoqa" / "train.json", [dict.fromkeys(names - {left}, "1")])
            assert not schema.recognise(tmp_path / name / left / "geoqa")
    write_json(tmp_path / "formal" / "train.json", [dict.fromkeys(columns["HUB"] | {"formal_point"}, "1")])
    assert geoqa.HUB.recognise(tmp_path / "formal")


def pickled(folder, **changes):
    geoqa_pickle(folder)
    (record,) = pickle.loads((folder / "train.pk").read_bytes())
    (folder / "train.pk").write_bytes(pickle.dumps([{**record, **changes}]))


def test_a_pickle(tmp_path):
    geoqa_pickle(tmp_path)
    (problem,) = read(geoqa.PICKLE, tmp_path, "train")
    assert (problem.id, problem.source) == ("12", "geoqa")
    assert problem.question == "angle 1 is 25 find\nChoices:\n(A) 25\n(B) 65\n(C) \n(D) 90"
    assert (problem.answer, problem.answer_letter, problem.choices) == ("65", "B", ("25", "65", "", "90"))
    assert problem.facts == {"choice_nums": [25.0, 65.0, None, 90.0], "label": 1}
    assert problem.category is None
    (image,) = problem.rgb_images()
    assert (image.size, image.getpixel((0, 0))) == ((30, 20), (255, 255, 255))


def test_numbers_of_a_pickle_are_written_with_ten_digits(tmp_path):
    pickled(tmp_path, numbers=[1 / 3, 2.0], token_list=["N_1", "N_0", "N_", "xN_0"], choice_nums=[2 / 3, 1e-12])
    (problem,) = read(geoqa.PICKLE, tmp_path, "train")
    assert problem.question.startswith("2 0.3333333333 N_ xN_0\n")
    assert problem.choices == ("0.6666666667", "1e-12")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 2}, "the answer is empty"),
        ({"label": 4}, "GeoQA record 12: the answer 'E' is not a letter of its 4 choices"),
        ({"label": None}, "GeoQA record 12: label must be the number of a choice"),
        ({"numbers": []}, "GeoQA record 12: the text asks for number N_0, but there are 0 numbers"),
        ({"numbers": None}, "asks for number N_0, but there are 0 numbers"),
        ({"token_list": ["N_1"]}, "asks for number N_1, but there are 1 numbers"),
        ({"image": np.zeros((2, 2))}, r"image must be grey or RGB uint8, got float64 \(2, 2\)"),
    ],
)
def test_a_record_of_a_pickle_that_is_none(changes, message, tmp_path):
    pickled(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        read(geoqa.PICKLE, tmp_path, "train")


@pytest.mark.parametrize(
    ("split", "name", "is_found"),
    [
        ("val", "dev.pk", True),
        ("val", "val.pk", True),
        ("val", "data/dev.pk", True),
        ("train", "data/train.pk", True),
        ("test", "test.pk", True),
        ("test", "dev.pk", False),
        ("train", "dev.pk", False),
    ],
)
def test_a_split_of_pickles_is_a_file_in_the_folder_or_its_data_folder(split, name, is_found, tmp_path):
    geoqa_pickle(tmp_path / "x")
    place = tmp_path / "set" / name
    place.parent.mkdir(parents=True)
    (tmp_path / "x" / "train.pk").rename(place)
    if is_found:
        assert len(read(geoqa.PICKLE, tmp_path / "set", split)) == len(read(geoqa.PICKLE, place, split)) == 1
    else:
        with pytest.raises(ValueError, match=f"no file of split '{split}': expected {split}.pk in"):
            read(geoqa.PICKLE, tmp_path / "set", split)


def test_kinds_of_pickled_problems_stand_beside_them(tmp_path):
    geoqa_pickle(tmp_path)
    kinds = {"length": [13], "angle": [12]}
    (tmp_path / "sub_dataset_dict.pk").write_bytes(pickle.dumps(kinds))
    assert load_problems(str(tmp_path))[0].category == "angle"


@pytest.mark.parametrize("folder", ["", "data"])
def test_pickles_are_recognised_by_their_training_file(folder, tmp_path):
    (tmp_path / folder).mkdir(exist_ok=True)
    assert not geoqa.PICKLE.recognise(tmp_path)
    (tmp_path / folder / "train.pk").touch()
    assert geoqa.PICKLE.recognise(tmp_path)


def test_a_picture_of_a_pickle_is_kept_as_png(tmp_path):
    geoqa_pickle(tmp_path)
    (row,) = geoqa.PICKLE.read(Request(path=tmp_path, split="train"))
    assert row["kind"] is None
    assert geoqa.PICKLE.problem(row, tmp_path).images == (EncodedPicture(base64.b64decode(row["image"]["png"])),)


@pytest.mark.parametrize(
    ("name", "source", "splits", "score"),
    [
        ("GLLAVA", "geoqa_gllava", ("test",), official.gllava),
        ("JOINED", "geoqa_joined", ("train", "test"), official.symbolic),
        ("R1V", "geoqa_r1v", ("train",), official.symbolic),
        ("R1V_PROMPTS", "geoqa_r1v", ("test",), official.symbolic),
        ("HUB", "geoqa", ("train", "val", "test"), official.geoqa_program),
        ("PICKLE", "geoqa", ("train", "val", "test"), official.geoqa_program),
    ],
)
def test_sources_splits_and_scoring(name, source, splits, score):
    schema = getattr(geoqa, name)
    assert (schema.source, schema.splits) == (source, splits)
    assert schema.official.score is score
    assert schema.name == (name.lower() if name.startswith("geoqa") else f"geoqa_{name.lower()}")
