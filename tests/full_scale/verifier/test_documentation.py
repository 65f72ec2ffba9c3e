"""docs/verifier.md: every example in its tables is what the verifier does."""

import re
from pathlib import Path

import pytest

from full_scale.problems.problem import Problem
from full_scale.verifier.answer import is_correct

TEXT = (Path(__file__).parents[3] / "docs" / "verifier.md").read_text(encoding="utf-8")
CHOICE = {"answer": "36", "choices": ("24", "36", "48", "60"), "answer_letter": "B"}


def examples():
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        quoted = [re.findall("`([^`]+)`", cell) for cell in cells]
        if len(cells) == 6 and quoted[1]:
            problem, right, wrong = {"answer": quoted[1][0]}, quoted[2], quoted[3]
        elif len(cells) == 5 and quoted[1]:
            problem, right, wrong = CHOICE, quoted[1], quoted[2]
        else:
            continue
        for texts, verdict in ((right, True), (wrong, False)):
            yield from ((problem, text, verdict) for text in texts)


@pytest.mark.parametrize(("fields", "text", "verdict"), list(examples()))
def test_an_example_of_the_documentation(fields, text, verdict):
    problem = Problem(id="1", source="s", question="q", **fields)
    assert is_correct(f"<think>t</think><answer>{text}</answer>", problem) is verdict


def test_the_tables_are_found():
    assert len(list(examples())) > 130
