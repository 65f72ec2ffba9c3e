import io
import json
import logging
import pickle
import random

import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest
from realdata import GEOMETRY3K

from full_scale.data import DATASETS, expert_response, load_problems, verified_experts
from full_scale.data.geoqa import ArrayUnpickler
from full_scale.problem import Problem
from full_scale.rewards import format_reward, is_correct


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
    parquet(folder / "39Krelease.parquet", [two, {**row, "qid": "text", "image": []}])
    picture(folder / "images" / "0.jpg")
    picture(folder / "images" / "1.jpg")


def geoeval(folder):
    row = {"diagram_name": "d.png", "text": {"Num_Exp": "Find x"}, "choice_list": None, "answer_value": 65}
    write_json(folder / "dataset_merge.json", {"p1": row, "p2": {**row, "diagram_name": None}})
    picture(folder / "d.png")


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
    assert problem.question == "angle 1 is 25.0 find\nChoices:\n(A) 25\n(B) 65\n(C) \n(D) 90"
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
    with pytest.raises(ValueError, match="experts must be dataset, column:<name>, answer_only or none, got 'gpt'"):
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
        list(DATASETS["mathvision"].read(tmp_path, "test"))


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
