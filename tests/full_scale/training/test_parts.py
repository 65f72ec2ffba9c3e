"""What a run is made of: loaded, checked against model and method, and told."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from full_scale.data import MissingSplitError, load_problems
from full_scale.model.processor import load_processor
from full_scale.run.command_line import read_command_line
from full_scale.training import parts as module
from full_scale.training.parts import load, load_rows

SMALL = ("--preset", "tiny-text", "--limit", "20", "--prompts-per-step", "2", "--micro-batch-rows", "8")
SMALL += ("--evaluate-problems", "3")


def loaded(*flags):
    """The parts, and what was said."""
    console = Console(file=io.StringIO(), width=1000)
    parts = load(read_command_line([*SMALL, *flags]).settings, console)
    return parts, console.file.getvalue()


def test_all_parts_are_there_and_what_was_loaded_is_told():
    parts, said = loaded()
    assert [len(part) for part in (parts.problems, parts.rows, parts.held_out)] == [20, 20, 3]
    assert parts.kept_back is None
    assert "calibrl on word_problems: 20 problems;" in said
    assert "expert: the data set's own solutions" in said
    assert parts.versions["trl"].startswith("1.16")


def test_the_texts_that_a_crash_report_must_not_hold_are_those_of_all_problems():
    parts, _ = loaded()
    every = [*parts.problems, *parts.held_out]
    assert {problem.question for problem in every} <= set(parts.texts)
    assert {problem.solution for problem in parts.problems} <= set(parts.texts)
    assert all(parts.texts)


def test_a_plateaus_problems_are_kept_from_the_training():
    parts, said = loaded("--method", "sft_grpo", "--plateau-patience", "1")
    assert (len(parts.rows), len(parts.kept_back)) == (18, 2)
    assert not {row["problem"].id for row in parts.kept_back} & {row["problem"].id for row in parts.rows}
    assert "ends the supervised stage: 2 problems" in said
    with pytest.raises(ValueError, match="word_problems without 2 for the validation loss"):
        loaded("--method", "sft_grpo", "--plateau-patience", "1", "--prompts-per-step", "20", "--micro-batch-rows", "8")


def test_without_problems_held_out_a_run_says_that_nothing_is_measured(monkeypatch):
    def missing(*_):
        raise MissingSplitError("there is no test split")

    monkeypatch.setattr(module, "held_out_problems", missing)
    parts, said = loaded()
    assert parts.held_out == []
    assert "nothing is measured before and after training, as no problems are held out: there is no test split" in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "rendered"], "rendered has pictures, but tiny-text reads text only"),
        (
            ["--experts", "none"],
            "method calibrl reads experts, but no problem of word_problems has one. Fix: --experts",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused(flags, message):
    with pytest.raises(ValueError, match=message):
        loaded(*flags)


def test_a_method_without_experts_needs_none():
    parts, said = loaded("--method", "grpo", "--experts", "none")
    assert len(parts.rows) == 20
    assert "20 without expert" in said


def test_some_problems_may_have_no_expert():
    settings, console = read_command_line(SMALL).settings, Console(file=io.StringIO(), width=1000)
    problems = load_problems("word_problems", limit=20)
    problems = [replace(one, solution=None) if place < 5 else one for place, one in enumerate(problems)]
    rows, _ = load_rows(settings, problems, load_processor(settings.model_folder), console)
    assert len(rows) == 20
    assert "5 without expert" in console.file.getvalue()
