"""Where expert solutions come from, and which of them are kept."""

import pytest
from layouts import geometry3k_hub, verl, write_jsonl
from realdata import GEOMETRY3K

from full_scale.data import expert_response, load_problems
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct
from full_scale.verifier.rewards import format_reward


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


def test_a_solution_with_its_own_answer_is_the_whole_response():
    response = "<think>t</think><answer>65</answer>"
    assert expert_response(Problem(id="1", source="s", question="q", answer="65", solution=response)) == response


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
