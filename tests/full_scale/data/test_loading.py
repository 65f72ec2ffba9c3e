"""Every layout and its variants are recognised and read."""

import multiprocessing
import operator
import pickle
import random

import pytest
from layouts import (
    geoeval,
    geometry3k_hub,
    geoqa_hub,
    geoqa_pickle,
    gllava,
    gsm8k,
    math,
    math500,
    mathverse,
    mathverse_hub,
    mathvision,
    mathvision_hub,
    mathvista,
    mathvista_hub,
    mmk12,
    mmk12_hub,
    r1v,
    r1v_prompts,
    saved,
    verl,
    virl39k,
    virl39k_zip,
    write_jsonl,
)
from realdata import GEOMETRY3K

from full_scale.data import DATASETS, find_schema, load_problems
from full_scale.data.verdicts import official_score
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct

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
    folder = tmp_path / name  # some layouts are told from others' by what their folder is called
    folder.mkdir()
    write(folder)
    problems = load_problems(str(folder), split=split)
    assert [len(problem.rgb_images()) for problem in problems] == pictures
    first = problems[0]
    assert (first.answer_letter, first.solution) == (letter, solution)
    assert "<image" not in first.question
    assert first.answer.strip("°") == ("B" if name == "mathvision" else "65")
    assert all(is_correct(f"<answer>{problem.answer}</answer>", problem) for problem in problems)
    assert find_schema(str(folder))[0].name == name
    assert {problem.source for problem in problems} == {DATASETS[name].source}
    named = load_problems(f"{name}:{folder}", split=split)
    assert [problem.id for problem in named] == [problem.id for problem in problems]
    assert len({problem.id for problem in problems}) == len(problems)


def test_every_layout_of_files_has_a_test():
    others = {"geometry3k", "geoqa_joined", "rendered", "shortcut", "word_problems", "generic", "pipelines"}
    others |= {"arithmetic", "humaneval", "mbpp", "livecodebench"}  # in tests of their own
    assert set(DATASETS) == {*CASES, *others}


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


@pytest.mark.parametrize("prefix", ["", "geometry3k_hub:"])
def test_a_data_set_of_the_hub_is_downloaded_first(prefix, tmp_path, monkeypatch):
    geometry3k_hub(tmp_path)
    asked = []

    def download(name, *, repo_type):
        asked.append((name, repo_type))
        return str(tmp_path)

    monkeypatch.setattr("full_scale.data.loading.snapshot_download", download)
    assert load_problems(f"{prefix}hub:hiyouga/geometry3k")[0].id == "7"
    assert asked == [("hiyouga/geometry3k", "dataset")]


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
    folder = tmp_path / ("geometry3k" if write is saved else write.__name__)
    folder.mkdir()
    write(folder)
    (problem,) = load_problems(str(folder), split=split)
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


def test_validation_is_another_name_of_val(tmp_path):
    write_jsonl(tmp_path / "val.jsonl", [{"question": "q", "answer": "5"}])
    assert [one.answer for one in load_problems(str(tmp_path), split="validation")] == ["5"]


@pytest.mark.parametrize(("count", "named"), [(5, "1, 2, 3, 4, 5"), (6, "1, 2, 3, 4, 5 ...")])
def test_answers_in_words_are_counted_and_five_named(count, named, tmp_path, caplog):
    rows = [{"id": str(n + 1), "question": f"q{n}", "answer": f"red {'abcdef'[n]} box"} for n in range(count)]
    write_jsonl(tmp_path / "train.jsonl", [*rows, {"id": "9", "question": "q", "answer": "5"}])
    load_problems(str(tmp_path))
    assert caplog.messages == [
        f"{count} of {count + 1} answers are no expression that the verifier can parse; only the same words count as "
        f"right: {named}"
    ]
