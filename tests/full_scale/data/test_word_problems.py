"""The tiny text model's word problems."""

import json
import re

import pytest

from full_scale.data import load_problems
from full_scale.data.word_problems import COUNTS, FILES, main, word_problems
from full_scale.verifier.answer import is_correct


def test_the_shipped_files_are_what_the_script_writes():
    for split, count in COUNTS.items():
        lines = (FILES / f"{split}.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == word_problems(count, seed=0, split=split)


def test_the_script_writes_a_line_for_each_problem(tmp_path, monkeypatch):
    monkeypatch.setattr("full_scale.data.word_problems.FILES", tmp_path / "files")
    monkeypatch.setattr("full_scale.data.word_problems.COUNTS", {"train": 3, "test": 2})
    for _ in range(2):  # the folder may be there
        main()
    assert {path.name for path in (tmp_path / "files").iterdir()} == {"train.jsonl", "test.jsonl"}
    for split, count in (("train", 3), ("test", 2)):
        lines = (tmp_path / "files" / f"{split}.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == word_problems(count, seed=0, split=split)


def test_the_splits_share_no_problem():
    operations = re.compile(r"(?<=#### )\d+|\d+[+-]\d+=\d+")
    train, test = (
        {tuple(operations.findall(record["answer"])) for record in word_problems(2000, seed=seed, split=split)}
        for seed, split in ((1, "train"), (2, "test"))
    )
    assert len(test) > 500
    assert not train & test


def test_every_solution_computes_its_answer():
    for problem in load_problems("word_problems", split="test"):
        steps = re.findall(r"(\d+)([+-])(\d+)=(\d+)", problem.solution)
        assert len(steps) == 2
        for left, sign, right, result in steps:
            assert int(left) + int(f"{sign}{right}") == int(result)
        assert steps[0][3] == steps[1][0]
        assert steps[1][3] == problem.answer
        assert is_correct(f"<think>{problem.solution}</think><answer>{problem.answer}</answer>", problem)


@pytest.mark.parametrize(
    ("verbs", "signs"), [("buys.*loses", "+-"), ("loses.*buys", "-+"), ("buys.*finds", "++"), ("loses.*sells", "--")]
)
def test_the_story_says_what_is_done(verbs, signs):
    found = [record for record in word_problems(200, seed=0, split="train") if re.search(verbs, record["question"])]
    assert len(found) > 10
    for record in found:
        numbers = re.findall(r"\d+", record["question"])
        first, second = re.findall(r"(\d+)([+-])(\d+)=", record["answer"])
        assert (first[0], first[2], second[2]) == tuple(numbers)
        assert first[1] + second[1] == signs
