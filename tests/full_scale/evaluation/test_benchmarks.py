"""The benchmarks of an evaluation: names, splits, fingerprints."""

import dataclasses

import pytest
from layouts import gsm8k
from realdata import GEOMETRY3K, REAL_DATA, needs_real_data
from tiny import tiny_processor

from full_scale.data import Quarantine
from full_scale.data.rendered import rendered_problems
from full_scale.evaluation.benchmarks import Benchmark, load_benchmarks, readable_benchmarks, scored_split
from full_scale.evaluation.request import Request


def benchmark(problems):
    return Benchmark(name="b", dataset="d", split="test", problems=problems)


def test_the_fingerprint_is_of_text_and_answer_and_not_of_the_picture():
    (problem,) = rendered_problems(1, seed=0)
    (print_,) = benchmark([problem]).fingerprints
    assert len(print_) == 12
    (other,) = rendered_problems(1, seed=1)
    assert benchmark([dataclasses.replace(problem, images=other.images)]).fingerprints == [print_]
    for change in ({"id": "x"}, {"question": "x"}, {"answer": "x"}, {"choices": ("1", "2")}):
        assert benchmark([dataclasses.replace(problem, **change)]).fingerprints != [print_]
    assert benchmark([problem, problem]).fingerprints == [print_, print_]


def test_benchmarks_of_one_source_are_numbered_and_each_has_its_scored_split():
    found = load_benchmarks(Request(dataset=("rendered", str(GEOMETRY3K), f"geometry3k:{GEOMETRY3K}"), limit=2), None)
    assert [item.name for item in found] == ["rendered", "geometry3k", "geometry3k #2"]
    assert [item.split for item in found] == ["test", "test", "test"]
    assert [item.dataset for item in found] == ["rendered", str(GEOMETRY3K), f"geometry3k:{GEOMETRY3K}"]
    assert [len(item.problems) for item in found] == [2, 2, 2]
    (train,) = load_benchmarks(Request(split="train", limit=1, seed=5), None)
    assert train.split == "train"
    assert train.problems[0].question != load_benchmarks(Request(split="train", limit=1), None)[0].problems[0].question


def test_broken_records_go_into_the_quarantine_and_without_one_end_it(tmp_path):
    gsm8k(tmp_path)
    file = next(tmp_path.rglob("*.jsonl"))
    sound = file.read_text()
    file.write_text(sound + '{"question": "", "answer": "x #### 1"}\n')
    asked = Request(dataset=(str(tmp_path),), split="train")
    with pytest.raises(ValueError, match="--skip-broken"):
        load_benchmarks(asked, None)
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    (found,) = load_benchmarks(asked, quarantine)
    assert len(found.problems) == len(sound.splitlines())
    assert quarantine.count == 1


def test_own_columns_reach_the_loader(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"q": "How many?", "a": "7"}\n')
    (found,) = load_benchmarks(Request(dataset=(str(tmp_path),), columns="question=q,answer=a"), None)
    assert (found.problems[0].question, found.problems[0].answer) == ("How many?", "7")


def test_the_scored_split_is_the_first_that_is_not_for_training():
    assert scored_split("rendered") == "test"
    assert scored_split(str(GEOMETRY3K)) == "test"
    with pytest.raises(ValueError, match="unknown data set 'nope'"):
        scored_split("nope")


def test_pictures_are_refused_for_a_text_model():
    processor = tiny_processor()
    problems = benchmark(rendered_problems(1, seed=0))
    assert readable_benchmarks(processor, [problems]) == [problems]
    text = benchmark([dataclasses.replace(problems.problems[0], images=())])
    assert readable_benchmarks(processor.tokenizer, [text]) == [text]
    with pytest.raises(ValueError, match="b has pictures, but the model reads text only"):
        readable_benchmarks(processor.tokenizer, [text, problems])
    with pytest.raises(ValueError, match="b has pictures"):  # one is enough
        readable_benchmarks(processor.tokenizer, [benchmark([*text.problems, *problems.problems])])


def test_each_data_set_has_its_own_split():
    assert scored_split("rendered") == "test"
    assert scored_split(str(GEOMETRY3K)) == "test"


@needs_real_data
@pytest.mark.parametrize(
    ("name", "split"), [("mathvista", "testmini"), ("mathverse", "testmini"), ("mathvision", "test"), ("mmk12", "test")]
)
def test_the_split_that_a_benchmark_is_scored_on(name, split):
    assert scored_split(str(REAL_DATA / name)) == split
