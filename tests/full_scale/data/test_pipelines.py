"""The generated programming tasks."""

import random
from collections import Counter

from full_scale.data import expert_response, load_problems
from full_scale.data.pipelines import CASES, SHOWN, STEPS, careless, pipeline_problems
from full_scale.verifier.answer import is_correct, judgement


def steps_of(problem):
    return problem.question.splitlines()[0]


def test_the_same_arguments_give_the_same_and_the_splits_share_no_pipeline():
    train, test = (pipeline_problems(300, seed=3, split=split) for split in ("train", "test"))
    assert train == pipeline_problems(300, seed=3, split="train")
    others = {steps_of(problem) for seed in range(5) for problem in pipeline_problems(300, seed=seed, split="test")}
    assert not {steps_of(problem) for problem in train} & others
    assert len({steps_of(problem) for problem in test}) > 100


def test_two_cases_are_shown_and_eight_are_hidden_and_no_constant_is_right():
    for problem in pipeline_problems(100, seed=0, split="train"):
        assert len(problem.task.cases) == CASES
        assert sum(case.shown for case in problem.task.cases) == SHOWN
        assert len({case.wanted for case in problem.task.cases}) >= 2
        for case in problem.task.cases:
            if case.shown:
                assert f"f({case.given}) == {case.wanted}" in problem.question


def test_every_expert_is_right_and_has_a_thought_for_each_step():
    problems = load_problems("pipelines", split="test", limit=60)
    for problem in problems:
        assert is_correct(expert_response(problem), problem)
        assert len(problem.solution.splitlines()) == problem.question.splitlines()[0].count(",") + 1
    seen = Counter(step.split(": ")[1] for problem in problems for step in problem.solution.splitlines())
    assert len(seen) > len(STEPS) / 2


def test_a_program_that_looks_its_examples_up_is_wrong():
    for problem in pipeline_problems(20, seed=0, split="test"):
        examples = {case.given: case.wanted for case in problem.task.cases if case.shown}
        table = ", ".join(f"{given!r}: {wanted}" for given, wanted in examples.items())
        program = f"def f(x):\n    return {{{table}}}.get(repr(x))"
        assert judgement(f"<answer>{program}</answer>", problem).reason == "passes the shown tests, fails a hidden one"


def test_a_careless_author_takes_a_share_of_the_steps_for_others():
    problems, rng = pipeline_problems(200, seed=0, split="train"), random.Random(0)
    written = [careless(problem, rng, share=0.3) for problem in problems]
    pairs = [
        pair
        for own, other in zip(problems, written, strict=True)
        for pair in zip(own.solution.splitlines(), other.solution.splitlines(), strict=True)
    ]
    changed = [(right, wrong) for right, wrong in pairs if right != wrong]
    assert 0.25 < len(changed) / len(pairs) < 0.35
    assert all(right.partition(": ")[0] == wrong.partition(": ")[0] for right, wrong in changed)
    assert ("keep even: [i for i in x if i % 2 == 0]", "keep even: [i for i in x if i % 2 == 1]") in changed
    for own, other in zip(problems, written, strict=True):
        codes = [line.partition(": ")[2] for line in other.solution.splitlines()]
        lines = [*(f"    x = {code}" for code in codes[:-1]), f"    return {codes[-1]}"]
        assert other.answer == "\n".join(["def f(x):", *lines])
        assert (other.question, other.task) == (own.question, own.task)


def test_every_mistake_runs_and_nearly_every_program_of_mistakes_is_wrong():
    problems, rng = pipeline_problems(60, seed=1, split="train"), random.Random(0)
    found = [judgement(expert_response(careless(one, rng, share=1.0)), one) for one in problems]
    assert sum(one.outcome == "passed" for one in found) < 6  # two mistakes can make up for each other
    assert {one.outcome for one in found} == {"passed", "failed"}
    assert [careless(one, rng, share=0.0) for one in problems] == problems
    assert all(step.mistaken != step.code for step in STEPS)
