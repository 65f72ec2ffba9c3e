"""What a model can read of a data set."""

import json
from dataclasses import replace

import pytest
from tiny_runs import processor

from full_scale.data import Quarantine
from full_scale.data.readable import readable_problems
from full_scale.data.rendered import rendered_problems

PROBLEMS = rendered_problems(3, seed=0)
MARKED = replace(PROBLEMS[1], question="see <|image_pad|>")


def test_all_that_is_plain_text_is_kept_in_order():
    assert readable_problems(PROBLEMS, processor()) == PROBLEMS
    assert readable_problems([], processor(), Quarantine()) == []


def test_a_special_token_is_refused_by_name_or_left_out(tmp_path):
    with pytest.raises(
        ValueError, match=rf"record '{MARKED.id}' of 'rendered': the question holds .*--skip-broken leaves"
    ):
        readable_problems([PROBLEMS[0], MARKED], processor())
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    assert readable_problems([MARKED, *PROBLEMS], processor(), quarantine) == PROBLEMS
    line = json.loads(quarantine.file.read_text())
    assert (line["dataset"], line["id"]) == ("rendered", MARKED.id)
    assert line["reason"].startswith(f"record '{MARKED.id}' of 'rendered': the question holds")
    with pytest.raises(ValueError, match=r"^rendered: 2 of 3 records \(67%\) are broken"):
        readable_problems([MARKED, MARKED, PROBLEMS[0]], processor(), Quarantine())
