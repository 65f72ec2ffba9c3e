"""Whole benchmarks batch by batch: the plan, what is asked of the model, judged, logged, and gone on with."""

import io

import numpy as np
import PIL.Image
import pytest
from rich.console import Console

from full_scale.data.rendered import rendered_problems
from full_scale.evaluation import answering
from full_scale.evaluation.answer_log import AnswerLog, evaluation_folder
from full_scale.evaluation.answering import answer_all, answer_and_judge, blanked, plan
from full_scale.evaluation.benchmarks import Benchmark
from full_scale.evaluation.request import Options
from full_scale.model.answers import Answer, batch_seed
from full_scale.problems.problem import Problem

OPTIONS = Options(samples=2, batch_size=2, max_response_length=9, instruct=True, blank_pictures=False, seed=5)


def benchmark(name, count):
    problems = [
        Problem(id=str(number), source="gsm8k", question=f"{name} {number}", answer="7") for number in range(count)
    ]
    return Benchmark(name=name, dataset=name, split="test", problems=problems)


@pytest.fixture
def asked(monkeypatch):
    """What the model is asked, answered by the right number for even problems."""
    calls = []

    def answer_batch(model, processor, problems, **options):
        calls.append(([problem.question for problem in problems], options))
        texts = ["<answer>7</answer>" if int(problem.id) % 2 == 0 else "no" for problem in problems]
        return [[Answer(text, 3, 0.5, -1.0, finished=True)] * options["samples"] for text in texts]

    monkeypatch.setattr(answering, "answer_batch", answer_batch)
    return calls


def log(folder, *, resume=False):
    with evaluation_folder(folder) as locked:
        return AnswerLog(locked, {"model": "m", "data": {}}, resume=resume)


def run(log_, benchmarks=None, text=None):
    benchmarks = benchmarks or [benchmark("a", 3), benchmark("b", 1)]
    return answer_all(None, None, benchmarks, log_, OPTIONS, Console(file=text or io.StringIO()))


def test_the_plan_is_benchmark_by_benchmark_and_greedy_first():
    found = [
        (batch.benchmark.name, batch.greedy, batch.samples, batch.start, len(batch.problems), batch.size)
        for batch in plan([benchmark("a", 3), benchmark("b", 1)], samples=4, batch_size=2)
    ]
    assert found == [
        ("a", True, 1, 0, 2, 2),
        ("a", True, 1, 2, 1, 1),
        ("a", False, 4, 0, 2, 8),
        ("a", False, 4, 2, 1, 4),
        ("b", True, 1, 0, 1, 1),
        ("b", False, 4, 0, 1, 4),
    ]
    assert [batch.greedy for batch in plan([benchmark("a", 3)], samples=0, batch_size=9)] == [True]


def test_the_model_is_asked_as_the_options_say(asked):
    (batch,) = plan([benchmark("a", 2)], samples=0, batch_size=2)
    records = answer_and_judge(None, None, batch, OPTIONS)
    ((questions, options),) = asked
    assert questions == ["a 0", "a 1"]
    wanted = {"samples": 1, "greedy": True, "max_new_tokens": 9, "instruct": True, "seed": batch_seed(5, 0)}
    assert options == wanted
    assert [(record.benchmark, record.id, record.kind, record.sample) for record in records] == [
        ("a", "0", "greedy", 0),
        ("a", "1", "greedy", 0),
    ]
    assert [record.verdict.correct for record in records] == [True, False]


def test_every_sample_of_every_problem_is_a_record_in_order(tmp_path, asked):
    records = run(log(tmp_path))
    found = [(record.benchmark, record.kind, record.id, record.sample) for record in records]
    assert found[:3] == [("a", "greedy", str(number), 0) for number in range(3)]
    assert found[3:9] == [("a", "sampled", str(number), sample) for number in range(3) for sample in range(2)]
    assert found[9:] == [("b", "greedy", "0", 0), ("b", "sampled", "0", 0), ("b", "sampled", "0", 1)]
    assert log(tmp_path, resume=True).records() == records
    assert {options["seed"] for _, options in asked} == {batch_seed(5, 0), batch_seed(5, 2)}


@pytest.mark.parametrize(("kept", "again"), [(0, 6), (1, 6), (2, 5), (3, 4), (6, 4), (7, 3), (9, 2), (11, 1), (12, 0)])
def test_only_whole_batches_are_kept(tmp_path, asked, kept, again):
    whole = run(log(tmp_path))
    cut = log(tmp_path, resume=True)
    cut.keep(whole[:kept])
    asked.clear()
    text = io.StringIO()
    assert run(cut, text=text) == whole
    assert len(asked) == again
    assert log(tmp_path, resume=True).records() == whole
    done = {0: 0, 1: 0, 6: 3}.get(kept, kept) if kept not in (11,) else 10
    assert (f"going on after {done} answers" in text.getvalue()) == (done > 0)


def test_blank_pictures_are_asked_and_the_true_problem_is_judged(asked, monkeypatch):
    seen = []
    monkeypatch.setattr(answering, "blanked", lambda problem: seen.append(problem) or problem)
    (batch,) = plan([benchmark("a", 1)], samples=0, batch_size=2)
    answer_and_judge(None, None, batch, OPTIONS)
    assert seen == []
    blank = Options(**{**vars(OPTIONS), "blank_pictures": True})
    answer_and_judge(None, None, batch, blank)
    assert seen == batch.problems


def test_blanked_pictures_are_white_of_the_same_size_and_nothing_else_changes():
    (problem,) = rendered_problems(1, seed=0)
    wide = Problem(id="1", source="a", question="q", answer="1", images=(PIL.Image.new("RGB", (7, 3)), *problem.images))
    blank = blanked(wide)
    assert [picture.size for picture in blank.rgb_images()] == [picture.size for picture in wide.rgb_images()]
    assert all(np.asarray(picture).min() == 255 for picture in blank.rgb_images())
    assert np.asarray(wide.rgb_images()[0]).max() == 0
    assert (blank.question, blank.answer, blank.id) == (wide.question, wide.answer, wide.id)


def test_blanked_pictures_are_white_and_nothing_else_changes():
    (problem,) = rendered_problems(1, seed=0)
    blank = blanked(problem)
    (picture,) = blank.rgb_images()
    assert picture.size == problem.rgb_images()[0].size
    assert np.asarray(picture).min() == 255
    assert np.asarray(problem.rgb_images()[0]).min() < 255
    assert (blank.question, blank.answer, blank.id) == (problem.question, problem.answer, problem.id)
