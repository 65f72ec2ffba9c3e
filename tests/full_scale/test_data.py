import io
import json
import logging
import multiprocessing
import operator
import pickle
import random
import struct
import zipfile
import zlib

import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest
from datasets import Dataset, DatasetDict, Features, Image, List, Value
from realdata import GEOMETRY3K

from full_scale.data import DATASETS, expert_response, load_problems, verified_experts
from full_scale.data.geoqa import ArrayUnpickler
from full_scale.problem import Problem
from full_scale.rewards import format_reward, is_correct
from full_scale.scoring import official_score


def png(size=(20, 10)):
    content = io.BytesIO()
    PIL.Image.new("RGB", size, "white").save(content, "PNG")
    return content.getvalue()


def cell():
    return {"bytes": png(), "path": "x.png"}


def parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png())


def geometry3k_hub(folder):
    row = {"images": [cell()], "problem": "<image>Find x", "answer": "65", "id": 7}
    parquet(folder / "data" / "train-00000-of-00001.parquet", [{**row, "choices": ["60", "65"], "ground_truth": "B"}])


def gllava(folder):
    text = "\nFirst reason.\nQuestion:angle 2 is ()\nChoices:\nA:50°\nB:65°"
    write_jsonl(folder / "test_questions.jsonl", [{"question_id": 0, "image": "test/0.png", "text": text}])
    write_jsonl(folder / "test_answers.jsonl", [{"question_id": 0, "text": "B"}])
    picture(folder / "images" / "test" / "0.png")


def r1v(folder):
    row = {"image": cell(), "problem": "<image>angle 2?", "solution": "<answer> 65° </answer>"}
    parquet(folder / "data" / "train-00000-of-00001.parquet", [row])


def geoqa_hub(folder):
    row = {"id": 3, "subject": "∠2 = ?", "choices": ["50°", "65°"], "label": 1, "answer": "因为", "image": cell()}
    parquet(folder / "data" / "train-00000-of-00001.parquet", [row])


def geoqa_pickle(folder):
    record = {
        "image": np.full((20, 30), 255, np.uint8),
        "token_list": ["angle", "1", "is", "N_0", "find"],
        "numbers": [25.0],
        "choice_nums": [25.0, 65.0, None, 90.0],
        "label": 1,
        "id": 12,
    }
    folder.mkdir(exist_ok=True)
    (folder / "train.pk").write_bytes(pickle.dumps([record]))


def mathvista(folder):
    row = {"pid": "1", "question": "q", "image": "images/1.jpg", "choices": ["50°", "65°"], "answer": "65°"}
    rest = {"question_type": "multi_choice", "answer_type": "text", "precision": None, "metadata": {"task": "geometry"}}
    write_json(folder / "testmini.json", {"1": {**row, **rest}})
    picture(folder / "images" / "1.png")  # the official name ends in .jpg


def mathvision(folder):
    row = {"id": "4", "question": "Which?\n<image1>", "options": ["A", "B"], "answer": "B", "solution": None}
    write_jsonl(folder / "test.jsonl", [{**row, "level": 1, "subject": "logic", "image": "images/4.jpg"}])
    picture(folder / "images" / "4.jpg")


def mathverse(folder):
    row = {"sample_index": "1", "problem_version": "Text Lite", "question": "q\nChoices:\nA:50°\nB:65°", "answer": "B"}
    metadata = {"subject": "Plane Geometry"}
    vision = {**row, "sample_index": "2", "problem_version": "Vision Only", "question": ""}
    rows = [{**record, "image": "v/1.png", "metadata": metadata} for record in (row, vision)]
    write_json(folder / "testmini.json", rows)
    picture(folder / "images" / "v" / "1.png")


def mmk12(folder):
    write_json(folder / "k12.json", [{"id": "a", "question": "q", "answer": "$65$", "image_path": "images/a.png"}])
    picture(folder / "images" / "a.png")


def virl39k(folder):
    row = {"question": "<image>q <image>", "answer": "\\boxed{65}", "category": "c", "source": "s"}
    two = {**row, "qid": "two", "image": ["images/0.jpg", "images/1.jpg"]}
    parquet(folder / "39Krelease.parquet", [two, {**row, "question": "q", "qid": "text", "image": []}])
    picture(folder / "images" / "0.jpg")
    picture(folder / "images" / "1.jpg")


def geoeval(folder):
    row = {"diagram_name": "d.png", "text": {"Num_Exp": "Find x"}, "choice_list": None, "answer_value": 65}
    write_json(folder / "dataset_merge.json", {"p1": row, "p2": {**row, "diagram_name": None}})
    picture(folder / "d.png")


def r1v_prompts(folder):
    row = {"image_path": "images/7.png", "question": "angle 2?", "ground_truth": "65°"}
    write_jsonl(folder / "test_prompts.jsonl", [row])
    picture(folder / "images" / "7.png")


def verl(folder):
    chat = [{"role": "system", "content": "think"}, {"role": "user", "content": "<image>Find x"}]
    row = {"prompt": chat, "images": [cell()], "solution": "so \\boxed{65}", "data_source": "virl39k"}
    row |= {"reward_model": {"ground_truth": "\\boxed{65}", "style": "rule"}, "extra_info": {"index": 3}}
    parquet(folder / "train.parquet", [row])


def gsm8k(folder):
    write_jsonl(folder / "train.jsonl", [{"question": "q", "answer": "60+5=<<60+5=65>>65.\n#### 65"}])


def math(folder):
    record = {"problem": "q", "level": "Level 1", "type": "Algebra", "solution": "so \\boxed{65}."}
    write_json(folder / "train" / "algebra" / "1.json", record)


CASES = {  # name: (writer, split, problems, pictures of each, letter, solution of the first)
    "geometry3k_hub": (geometry3k_hub, "train", [1], "B", None),
    "geoqa_gllava": (gllava, "test", [1], "B", None),
    "geoqa_r1v": (r1v, "train", [1], None, None),
    "geoqa_hub": (geoqa_hub, "train", [1], "B", "因为"),
    "geoqa_pickle": (geoqa_pickle, "train", [1], "B", None),
    "mathvista": (mathvista, "testmini", [1], "B", None),
    "mathvision": (mathvision, "test", [1], "B", None),
    "mathverse": (mathverse, "testmini", [1, 1], "B", None),
    "mmk12": (mmk12, "test", [1], None, None),
    "virl39k": (virl39k, "train", [2, 0], None, None),
    "geoqa_r1v_prompts": (r1v_prompts, "test", [1], None, None),
    "verl": (verl, "train", [1], None, "so \\boxed{65}"),
    "geoeval": (geoeval, "test", [1, 0], None, None),
    "gsm8k": (gsm8k, "train", [0], None, "60+5=65."),
    "math": (math, "train", [0], None, "so \\boxed{65}."),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layout_is_recognised_and_read(name, tmp_path):
    write, split, pictures, letter, solution = CASES[name]
    write(tmp_path)
    problems = load_problems(str(tmp_path), split=split)
    assert [len(problem.rgb_images()) for problem in problems] == pictures
    first = problems[0]
    assert (first.answer_letter, first.solution) == (letter, solution)
    assert "<image" not in first.question
    assert first.answer.strip("°") == ("B" if name == "mathvision" else "65")
    assert all(is_correct(f"<answer>{problem.answer}</answer>", problem) for problem in problems)
    named = load_problems(f"{name}:{tmp_path}", split=split)
    assert [problem.id for problem in named] == [problem.id for problem in problems]
    assert len({problem.id for problem in problems}) == len(problems)


def test_every_layout_of_files_has_a_test():
    assert set(DATASETS) == {*CASES, "geometry3k", "geoqa_joined"}


def test_pickle_numbers_replace_their_placeholders(tmp_path):
    geoqa_pickle(tmp_path)
    problem = load_problems(str(tmp_path))[0]
    assert problem.question == "angle 1 is 25 find\nChoices:\n(A) 25\n(B) 65\n(C) \n(D) 90"
    assert problem.facts == {"choice_nums": [25.0, 65.0, None, 90.0], "label": 1}


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    (tmp_path / "train.pk").write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(ValueError, match=r"asks for builtins\.print; only NumPy arrays are allowed"):
        load_problems(f"geoqa_pickle:{tmp_path}")
    assert capsys.readouterr().out == ""


def test_old_and_new_numpy_names_of_arrays_are_allowed():
    array = np.arange(6).reshape(2, 3)
    for protocol in range(2, 6):
        assert (ArrayUnpickler(io.BytesIO(pickle.dumps(array, protocol))).load() == array).all()
    old = pickle.dumps(array, 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert (ArrayUnpickler(io.BytesIO(old)).load() == array).all()


def test_a_cut_pickle_is_refused(tmp_path):
    (tmp_path / "train.pk").write_bytes(pickle.dumps([1, 2, 3])[:-4])
    with pytest.raises(ValueError, match="as a pickle"):
        load_problems(f"geoqa_pickle:{tmp_path}")


def test_geometry3k_folders_of_the_repository():
    train, test = (load_problems(str(GEOMETRY3K), split=split) for split in ("train", "test"))
    assert [problem.id for problem in train + test] == ["1091", "1427", "1836", "2600", "2733", "2946"]
    assert [problem.answer for problem in test] == ["8 \\sqrt { 3 }", "12 \\sqrt { 2 }", "80"]
    assert train[0].rgb_images()[0].size == (216, 215)
    assert all(image.mode == "RGB" for problem in train + test for image in problem.rgb_images())
    assert all(expert_response(problem) is None for problem in train + test)


def test_answer_only_experts_are_asked_for_explicitly():
    problem = load_problems(str(GEOMETRY3K), split="test", experts="answer_only", limit=1)[0]
    assert problem.solution == "The answer is 8 \\sqrt { 3 }."
    response = expert_response(problem)
    assert is_correct(response, problem)
    assert format_reward(response) == 1.0


def test_experts_from_a_named_column(tmp_path):
    geometry3k_hub(tmp_path)
    assert load_problems(str(tmp_path), experts="column:problem")[0].solution == "<image>Find x"
    with pytest.raises(ValueError, match=r"record '7' .* has no column 'cot'; its columns are images, problem"):
        load_problems(str(tmp_path), experts="column:cot")
    with pytest.raises(
        ValueError, match="experts must be dataset, column:<name>, file:<path>, answer_only or none, got 'gpt'"
    ):
        load_problems(str(tmp_path), experts="gpt")


def test_experts_can_be_left_out():
    assert load_problems("rendered", limit=1, experts="none")[0].solution is None
    assert load_problems("rendered", limit=1)[0].solution


def test_experts_that_the_verifier_rejects_are_dropped_counted_and_named():
    def problem(name, solution):
        return Problem(id=name, source="s", question="q", answer="65", solution=solution)

    problems = [
        problem("right", "so \\boxed{65}"),
        problem("wrong", "so \\boxed{64}"),
        problem("wrong tag", "<think>t</think><answer>1</answer>"),
        problem("silent", "no result"),
        problem("none", None),
    ]
    kept, report = verified_experts(problems)
    assert [one.solution is not None for one in kept] == [True, False, False, True, False]
    assert (report.kept, report.missing, report.rejected) == (2, 1, ("wrong", "wrong tag"))
    assert str(report) == "experts: 2 kept, 1 problems without one, 2 rejected (wrong, wrong tag)"


def test_a_solution_with_its_own_answer_is_the_whole_response():
    response = "<think>t</think><answer>65</answer>"
    assert expert_response(Problem(id="1", source="s", question="q", answer="65", solution=response)) == response


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "geometry4k"}, "unknown data set 'geometry4k'.* rendered, .*geometry3k, .*mathvista"),
        ({"dataset": "geometry3k:/no/such"}, "unknown data set 'geometry3k:/no/such': no such name or path"),
        ({"dataset": str(GEOMETRY3K / "train" / "1091")}, "has none of the known layouts"),
        ({"dataset": str(GEOMETRY3K), "split": "dev"}, "geometry3k has no split 'dev'; it has train, val"),
        ({"dataset": str(GEOMETRY3K), "split": "val"}, "no problems in split 'val'"),
        ({"dataset": "rendered", "split": "val"}, "split must be 'train' or 'test'"),
        ({"dataset": "rendered", "limit": 0}, "limit must be at least 1 or None, got 0"),
    ],
)
def test_unknown_names_list_the_valid_ones(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_problems(**arguments)


def broken(tmp_path, change):
    record = {"id": "a", "question": "q", "answer": "65", "image_path": "images/a.png"}
    other = {**record, "id": "b"}
    change(record)
    write_json(tmp_path / "k12.json", [record, other])
    picture(tmp_path / "images" / "a.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.update(answer=""), "record 'a' of 'mmk12': the answer is empty"),
        (lambda record: record.pop("answer"), "problem a has no column 'answer'; its columns are id, question"),
        (lambda record: record.update(image_path="images/b.png"), r"record 'a'.*b\.png does not exist"),
    ],
)
def test_a_broken_record_is_named_or_left_out_with_a_count(change, message, tmp_path, caplog):
    broken(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        load_problems(str(tmp_path), split="test")
    with caplog.at_level(logging.WARNING):
        assert [problem.id for problem in load_problems(str(tmp_path), split="test", skip_broken=True)] == ["b"]
    assert "1 records left out" in caplog.text


def test_hidden_labels_are_refused(tmp_path):
    mathvista(tmp_path)
    content = json.loads((tmp_path / "testmini.json").read_text())
    content["1"]["answer"] = ""
    write_json(tmp_path / "test.json", content)
    with pytest.raises(ValueError, match="the labels of split test are hidden; use testmini"):
        load_problems(str(tmp_path), split="test")


def test_an_embedded_picture_that_is_broken_names_the_record(tmp_path):
    row = {"images": [{"bytes": b"junk", "path": "x"}], "problem": "p", "answer": "65", "id": 7}
    parquet(tmp_path / "train-0.parquet", [row])
    with pytest.raises(ValueError, match="row 7: cannot read the picture"):
        load_problems(str(tmp_path))


def test_the_train_file_is_not_taken_for_the_test_split(tmp_path):
    r1v(tmp_path)
    geometry3k_hub(tmp_path / "hub")
    with pytest.raises(ValueError, match="no problems in split 'test'"):
        load_problems(f"geometry3k_hub:{tmp_path / 'hub'}", split="test")
    file = tmp_path / "hub" / "data" / "train-00000-of-00001.parquet"
    assert len(load_problems(f"geometry3k_hub:{file}", split="train")) == 1
    with pytest.raises(ValueError, match="no problems in split 'test'"):
        load_problems(f"geometry3k_hub:{file}", split="test")


def test_a_limit_takes_the_first_and_random_state_is_untouched():
    state = random.getstate()
    assert [problem.id for problem in load_problems(str(GEOMETRY3K), limit=2)] == ["1091", "1427"]
    assert len(load_problems("rendered", limit=3, seed=1)) == 3
    assert random.getstate() == state


def test_a_file_that_is_not_json_is_named(tmp_path):
    (tmp_path / "k12.json").write_text("{")
    with pytest.raises(ValueError, match=r"cannot read .*k12\.json as JSON"):
        load_problems(f"mmk12:{tmp_path}", split="test")
    (tmp_path / "test.jsonl").write_text('{"id": 1}\nnope\n')
    with pytest.raises(ValueError, match=r"line 2 of .*test\.jsonl is not JSON"):
        load_problems(f"mathvision:{tmp_path}", split="test")
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"cannot read .*train\.parquet as parquet.*download it again"):
        load_problems(f"virl39k:{tmp_path}")


@pytest.mark.parametrize("prefix", ["", "geometry3k_hub:"])
def test_a_data_set_of_the_hub_is_downloaded_first(prefix, tmp_path, monkeypatch):
    geometry3k_hub(tmp_path)
    asked = []

    def download(name, *, repo_type):
        asked.append((name, repo_type))
        return str(tmp_path)

    monkeypatch.setattr("full_scale.data.snapshot_download", download)
    assert load_problems(f"{prefix}hub:hiyouga/geometry3k")[0].id == "7"
    assert asked == [("hiyouga/geometry3k", "dataset")]


def test_a_data_set_that_the_hub_does_not_have_is_an_error_that_says_what_to_do(monkeypatch):
    def download(name, *, repo_type):
        raise OSError("offline")

    monkeypatch.setattr("full_scale.data.snapshot_download", download)
    with pytest.raises(ValueError, match=r"cannot download data set 'no/such'.*check its name and the network"):
        load_problems("hub:no/such")


# variants that the hub's copies have


def mathvista_hub(folder):
    row = {"pid": "1", "question": "q", "image": "images/1.jpg", "decoded_image": cell(), "choices": None}
    rest = {"unit": "cm", "precision": 1.0, "answer": "1.2", "question_type": "free_form", "answer_type": "float"}
    parquet(folder / "data" / "testmini-00000-of-00001-abc.parquet", [{**row, **rest, "metadata": {"task": "t"}}])


def mathvision_hub(folder):
    row = {"id": "4", "question": "<image1>?", "options": [], "answer": "1.2", "image": "images/4.jpg", "level": 1}
    row |= {"decoded_image": cell(), "solution": None, "subject": "s"}
    parquet(folder / "data" / "test-00000-of-00001.parquet", [row])


def mathverse_hub(folder):
    row = {"sample_index": "1", "problem_version": "Vision Only", "question": "", "answer": "1.2", "image": cell()}
    parquet(folder / "testmini.parquet", [{**row, "metadata": {"subject": "s"}}])
    only = {**row, "problem_version": "Text Only", "question": "other", "image": None}
    parquet(folder / "testmini_text_only.parquet", [only])


def mmk12_hub(folder):
    row = {"id": "a", "question": "<image>q", "answer": "1.2", "subject": "math", "image": cell()}
    parquet(folder / "data" / "test-00000-of-00001.parquet", [row])


def virl39k_zip(folder):
    row = {"question": "<image>q", "answer": "\\boxed{1.2}", "qid": "1", "image": ["images/a-0.jpg"]}
    parquet(folder / "39Krelease.parquet", [{**row, "category": "c", "source": "s", "PassRate_7BBase": -1.0}])
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("images/a-0.jpg", png())
        archive.writestr("images/ba-0.jpg", b"another picture")


def math500(folder):
    row = {"problem": "q", "solution": "so", "answer": "1.2", "level": 1, "subject": "s", "unique_id": "test/1"}
    write_jsonl(folder / "test.jsonl", [row])


def saved(folder):
    rows = {"problem": ["<image>q"], "images": [[PIL.Image.new("RGB", (20, 10))]], "answer": ["1.2"], "id": [1]}
    features = Features(
        {"problem": Value("string"), "images": List(Image()), "answer": Value("string"), "id": Value("int64")}
    )
    DatasetDict({"test": Dataset.from_dict(rows, features=features)}).save_to_disk(folder)


@pytest.mark.parametrize(
    ("write", "split", "pictures"),
    [
        (mathvista_hub, "testmini", 1),
        (mathvision_hub, "test", 1),
        (mathverse_hub, "testmini", 1),
        (mathverse_hub, "testmini_text_only", 0),
        (mmk12_hub, "test", 1),
        (virl39k_zip, "train", 1),
        (math500, "test", 0),
        (saved, "test", 1),
    ],
)
def test_variants_of_a_layout(write, split, pictures, tmp_path):
    write(tmp_path)
    (problem,) = load_problems(str(tmp_path), split=split)
    assert [image.size for image in problem.rgb_images()] == [(20, 10)] * pictures
    assert problem.answer == "1.2"
    assert official_score("<answer>1.2</answer>", problem)
    assert pickle.loads(pickle.dumps(problem)) == problem


def test_pictures_of_a_zip_archive_can_be_read_in_a_forked_process(tmp_path):
    virl39k_zip(tmp_path)
    (problem,) = load_problems(str(tmp_path))
    problem.rgb_images()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        sizes = pool.map(operator.attrgetter("size"), [problem.rgb_images()[0]] * 4)
        assert sizes == [(20, 10)] * 4
        assert [len(found) for found in pool.map(Problem.rgb_images, [problem] * 8)] == [1] * 8


def test_a_broken_archive_says_so(tmp_path):
    virl39k_zip(tmp_path)
    (tmp_path / "images.zip").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"cannot read .*images\.zip as a zip archive.*download it again"):
        load_problems(str(tmp_path))


def test_geoeval_nulls(tmp_path):
    row = {"diagram_name": None, "text": {"Num_Exp": "Find x", "aug_problem": None}, "choice_list": ["1", None]}
    write_json(
        tmp_path / "dataset_merge.json", {"p1": {**row, "answer_value": 65.0}, "p2": {**row, "answer_value": None}}
    )
    with pytest.raises(ValueError, match="record 'p2' of 'geoeval': the answer is empty"):
        load_problems(str(tmp_path), split="test")
    assert [problem.id for problem in load_problems(str(tmp_path), split="test", skip_broken=True)] == ["p1"]


def test_mathverse_answers_in_brackets_as_texts_and_of_several_letters(tmp_path):
    question = "q\nChoice:\nA. True\nB. False\nC. Both"
    answers = ["(C)", "False", "A\nB", "B"]
    rows = [{"sample_index": str(n), "question": question, "answer": a, "image": ""} for n, a in enumerate(answers)]
    write_json(tmp_path / "testmini.json", [{**row, "problem_version": "Text Only", "metadata": {}} for row in rows])
    problems = load_problems(str(tmp_path), split="testmini")
    assert [problem.answer_letter for problem in problems] == ["C", "B", None, "B"]
    assert [problem.answer for problem in problems] == ["Both", "False", "A\nB", "False"]


def test_a_limit_counts_problems_not_records(tmp_path):
    broken(tmp_path, lambda record: record.update(answer=""))
    assert [one.id for one in load_problems(str(tmp_path), split="test", limit=1, skip_broken=True)] == ["b"]


def test_pickled_labels_numbers_and_kinds(tmp_path):
    geoqa_pickle(tmp_path)
    (tmp_path / "sub_dataset_dict.pk").write_bytes(pickle.dumps({"angle": [12], "length": [13]}))
    assert load_problems(str(tmp_path))[0].category == "angle"
    (record,) = pickle.loads((tmp_path / "train.pk").read_bytes())
    for change, message in [
        ({"label": 2}, "the answer is empty"),
        ({"label": 4}, "not a letter of its 4 choices"),
        ({"label": None}, "label must be the number of a choice"),
        ({"numbers": []}, "asks for number N_0, but there are 0 numbers"),
        ({"image": np.zeros((2, 2))}, "image must be grey or RGB uint8, got float64"),
    ]:
        (tmp_path / "train.pk").write_bytes(pickle.dumps([{**record, **change}]))
        with pytest.raises(ValueError, match=message):
            load_problems(f"geoqa_pickle:{tmp_path}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "°"}, "record 'a' of 'mmk12': the verifier cannot parse the answer '°'"),
        ({"answer": 65}, "a record of layout mmk12 has a cell of the wrong type"),
        ({"question": None}, "a record of layout mmk12 has a cell of the wrong type"),
        ({"image_path": ""}, "MMK12 problem a: no picture in column image or image_path"),
        ({"image_path": 5}, "MMK12 problem a: a picture must be a path, bytes or"),
        ({"image_path": {"bytes": None, "path": None}}, "MMK12 problem a: the picture is empty"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_by_name(change, message, tmp_path):
    broken(tmp_path, lambda record: record.update(change))
    with pytest.raises(ValueError, match=message):
        load_problems(str(tmp_path), split="test")


def test_answers_that_can_only_be_compared_as_text_are_counted(tmp_path, caplog):
    broken(tmp_path, lambda record: record.update(answer="an isosceles triangle"))
    with caplog.at_level(logging.WARNING):
        load_problems(str(tmp_path), split="test")
    assert "1 of 2 answers are no expression that the verifier can parse; only the same words count" in caplog.text


def test_experts_from_a_file(tmp_path):
    file = tmp_path / "experts.jsonl"
    rows = [
        {"source": "geometry3k", "id": "2733", "response": "<think>t</think><answer>1</answer>", "status": "accepted"},
        {"source": "geometry3k", "id": "2946", "response": "<think>t</think><answer>2</answer>", "status": "rejected"},
    ]
    write_jsonl(file, rows)
    problems = load_problems(str(GEOMETRY3K), split="test", experts=f"file:{file}")
    assert [problem.solution for problem in problems] == [None, "<think>t</think><answer>1</answer>", None]
    with pytest.raises(ValueError, match="has no expert for any of the 3 problems of 'geometry3k'"):
        load_problems(str(GEOMETRY3K), split="train", experts=f"file:{file}")
    with pytest.raises(ValueError, match=r"no file of experts .*gone\.jsonl; make one with full_scale/make_experts"):
        load_problems(str(GEOMETRY3K), experts=f"file:{tmp_path / 'gone.jsonl'}")
    write_jsonl(file, [{"id": "2733"}])
    with pytest.raises(ValueError, match=r"expert 1 of .*experts\.jsonl has no column 'source'"):
        load_problems(str(GEOMETRY3K), experts=f"file:{file}")


def test_an_expert_column_may_hold_a_chat(tmp_path):
    verl(tmp_path)
    (problem,) = load_problems(str(tmp_path), experts="column:prompt")
    assert problem.solution == "<image>Find x"
    with pytest.raises(ValueError, match="has no column 'cot'; its columns are prompt, images, solution"):
        load_problems(str(tmp_path), experts="column:cot")


def test_a_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    header = png()  # 20 x 10; the header then claims 60000 x 60000
    ihdr = b"IHDR" + struct.pack(">II", 60_000, 60_000) + header[24:29]
    bomb = header[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + header[33:]
    (tmp_path / "images" / "a.png").write_bytes(bomb)
    write_json(tmp_path / "k12.json", [{"id": "a", "question": "q", "answer": "65", "image_path": "images/a.png"}])
    (problem,) = load_problems(str(tmp_path), split="test")
    with pytest.raises(ValueError, match=r"record 'a' of 'mmk12': (cannot read picture|picture) .*a\.png"):
        problem.rgb_images()
