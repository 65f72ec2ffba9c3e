"""GSM8K and MATH: which tables they are, and their problems."""

import pytest
from layouts import write_json, write_jsonl

from full_scale.data.records import fingerprint
from full_scale.data.schema import Request
from full_scale.data.text_only import GSM8K, MATH

QUESTION = {"question": "How many?", "answer": "2*500=<<2*500=1000>>1000 and <<7>>so.\n#### 1,000 "}
RECORD = {"problem": "p", "level": "Level 1", "type": "Algebra", "solution": "so \\boxed{65}."}


def rows(schema, path, split="train"):
    return list(schema.read(Request(path=path, split=split)))


def test_a_gsm8k_answer_is_the_thought_without_annotations_and_the_number_without_commas(tmp_path):
    problem = GSM8K.problem(QUESTION, tmp_path)
    assert (problem.id, problem.source, problem.question) == (fingerprint("How many?"), "gsm8k", "How many?")
    assert (problem.answer, problem.solution) == ("1000", "2*500=1000 and so.")
    twice = GSM8K.problem({"question": "q", "answer": "a #### b #### 3"}, tmp_path)
    assert (twice.answer, twice.solution) == ("3", "a #### b")
    with pytest.raises(ValueError, match=r"GSM8K record 'q{40}': the answer has no '####' before the result"):
        GSM8K.problem({"question": "q" * 50, "answer": "3"}, tmp_path)


def test_gsm8k_is_read_from_its_main_folder_where_there_is_one(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", [QUESTION])
    assert rows(GSM8K, tmp_path) == [QUESTION]
    write_jsonl(tmp_path / "main" / "train.jsonl", [QUESTION] * 2)
    write_jsonl(tmp_path / "socratic" / "train.jsonl", [QUESTION] * 3)
    assert rows(GSM8K, tmp_path) == [QUESTION] * 2
    assert rows(GSM8K, tmp_path, "test") == []


@pytest.mark.parametrize(
    ("row", "is_one"),
    [
        (QUESTION, True),
        ({**QUESTION, "id": 1}, False),
        ({"question": "q"}, False),
        ({"question": "q", "answer": "so 5"}, False),
        ({"question": "q", "answer": None}, False),
    ],
)
def test_gsm8k_is_told_by_two_columns_and_its_mark(row, is_one, tmp_path):
    write_jsonl(tmp_path / "train.jsonl", [row])
    assert GSM8K.recognise(tmp_path) is is_one


def test_a_gsm8k_table_whose_first_line_is_broken_is_not_recognised(tmp_path):
    (tmp_path / "train.jsonl").write_text('nope\n{"question": "q", "answer": "#### 1"}\n')
    assert not GSM8K.recognise(tmp_path)
    assert not GSM8K.recognise(tmp_path / "none")


def test_math_is_one_file_a_problem_in_order_or_a_table(tmp_path):
    for name in ("algebra/2", "algebra/1", "geometry/1"):
        write_json(tmp_path / "train" / f"{name}.json", RECORD)
    assert [row["id"] for row in rows(MATH, tmp_path)] == ["algebra/1", "algebra/2", "geometry/1"]
    assert MATH.recognise(tmp_path)
    table = tmp_path / "table"
    write_jsonl(table / "test.jsonl", [RECORD])
    assert rows(MATH, table, "test") == [RECORD]
    assert rows(MATH, table) == []
    assert MATH.recognise(table)


@pytest.mark.parametrize(
    ("record", "is_one"),
    [
        (RECORD, True),
        ({**RECORD, "answer": "1", "subject": "s", "id": "1", "unique_id": "u"}, True),
        ({name: RECORD[name] for name in ("problem", "level", "solution")}, True),
        ({**RECORD, "other": 1}, False),
        ({name: RECORD[name] for name in ("problem", "solution")}, False),
    ],
)
def test_a_table_of_math_is_told_by_its_columns(record, is_one, tmp_path):
    write_jsonl(tmp_path / "train.jsonl", [record])
    assert MATH.recognise(tmp_path) is is_one


def test_folders_of_math_are_told_by_their_first_file(tmp_path):
    write_json(tmp_path / "test" / "algebra" / "1.json", {**RECORD, "other": 1})
    assert MATH.recognise(tmp_path)
    write_json(tmp_path / "test" / "algebra" / "1.json", {"problem": "p"})
    assert not MATH.recognise(tmp_path)


@pytest.mark.parametrize(
    ("changes", "name", "answer", "category"),
    [
        ({}, fingerprint("p"), "65", "Algebra"),
        ({"id": "algebra/1"}, "algebra/1", "65", "Algebra"),
        ({"id": "algebra/1", "unique_id": "test/1"}, "test/1", "65", "Algebra"),
        ({"answer": "7"}, fingerprint("p"), "7", "Algebra"),
        ({"type": None, "subject": "Geometry"}, fingerprint("p"), "65", "Geometry"),
    ],
)
def test_a_problem_of_math(changes, name, answer, category, tmp_path):
    problem = MATH.problem({**RECORD, **changes}, tmp_path)
    assert (problem.id, problem.answer, problem.category) == (name, answer, category)
    assert (problem.source, problem.question, problem.solution) == ("math", "p", "so \\boxed{65}.")


def test_a_problem_of_math_without_an_answer_is_refused(tmp_path):
    message = r"^MATH record 3: neither an answer nor a \\boxed\{...\} in the solution; leave it out"
    with pytest.raises(ValueError, match=message):
        MATH.problem({**RECORD, "id": 3, "solution": "so 65"}, tmp_path)


def test_splits_and_scoring():
    assert GSM8K.splits == MATH.splits == ("train", "test")
    assert (GSM8K.name, GSM8K.source, MATH.name, MATH.source) == ("gsm8k", "gsm8k", "math", "math")
    assert GSM8K.scored_split == MATH.scored_split == "test"
