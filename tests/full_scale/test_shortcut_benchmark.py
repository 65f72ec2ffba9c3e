"""The grid of runs on the world with a shortcut: its commands are valid, it goes on, it keeps what the runs gave."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import shortcut, shortcut_tables
from full_scale.data import load_problems
from full_scale.model.decisions import FirstDecision
from full_scale.run.command_line import read_command_line
from full_scale.verifier.answer import is_correct

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def everything(tmp_path):
    return [
        command
        for _, cell, seed in shortcut.runs([*shortcut.PARTS])
        for command in shortcut.commands(cell, seed, tmp_path)
    ]


def test_every_command_is_one_that_train_py_reads(tmp_path):
    given = [read_command_line(command) for command in everything(tmp_path)]
    folders = [run.output.out for run in given]
    assert len(set(folders)) == len(folders)
    assert {run.settings.dataset for run in given} == {"shortcut"}


def test_rates_are_chosen_on_seeds_of_their_own():
    tried = {seed for cell in shortcut.PARTS["rates"] for seed in cell.seeds}
    assert not tried & {
        seed for part in shortcut.PARTS if part != "rates" for cell in shortcut.PARTS[part] for seed in cell.seeds
    }


def test_the_first_seeds_of_all_cells_come_first():
    seeds = [seed for _, _, seed in shortcut.runs(["first"])]
    assert seeds == sorted(seeds)


def test_supervised_updates_before_are_a_run_whose_model_the_next_one_takes(tmp_path):
    (cell,) = (cell for cell in shortcut.PARTS["others"] if cell.sft)
    before, after = (read_command_line(command) for command in shortcut.commands(cell, 1, tmp_path))
    assert (before.settings.method, before.settings.steps, after.settings.method) == ("sft", cell.sft, "grpo")
    assert after.settings.model == str(before.output.out)


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("miscomputed 0.5", 0.35, 0.65), ("guessing", 0.5, 0.7), ("bare", 1.0, 1.0)]
)
def test_experts_are_right_as_often_as_their_kind_says(tmp_path, kind, low, high):
    shortcut.write_experts(kind, 0, tmp_path / "experts.jsonl")
    problems = load_problems("shortcut", limit=200, seed=0, experts=f"file:{tmp_path / 'experts.jsonl'}")
    right = sum(is_correct(problem.solution, problem) for problem in problems) / 200
    assert low <= right <= high


def test_an_unknown_kind_of_experts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected one of miscomputed, guessing, bare"):
        shortcut.write_experts("lazy", 0, tmp_path / "experts.jsonl")


CATEGORIES = {kind: {"problems": 2, "sampled_accuracy": 0.25} for kind in ("circle", "triangle")}
MEASURED = dict.fromkeys(shortcut.MEASURES, 0.5)


def finish(folder, *, sound=0.5):
    """Write what a finished run leaves."""
    folder.mkdir(parents=True)
    measures = {
        "before": MEASURED,
        "after": MEASURED | {"sound_share": sound},
        "categories": CATEGORIES,
        "seconds": 1.0,
    }
    results = {"finished": True, "blank_pictures": {"greedy_accuracy": 0.6}} | measures
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "metrics.jsonl").write_text('{"step": 1, "sound_probability": 0.12345, "accuracy": 0.5}\n')


def test_results_are_the_finished_runs_own_and_name_what_is_missing(tmp_path):
    cell = shortcut.PARTS["first"][0]
    for seed, sound in ((0, 0.2), (1, 0.4)):
        finish(shortcut.folder_of(tmp_path / "runs", cell, seed), sound=sound)
    shortcut.write_results("first", tmp_path / "runs", tmp_path)
    found = json.loads((tmp_path / "first.json").read_text())
    assert [run["seed"] for run in found["runs"]] == found["cells"]["grpo"]["seeds"] == [0, 1]
    assert found["cells"]["grpo"]["sound_share"]["after"]["mean"] == 0.3
    assert found["cells"]["grpo"]["blank_pictures"]["mean"] == 0.6
    assert found["cells"]["grpo"]["minority_accuracy"]["mean"] == 0.25
    assert found["runs"][0]["course"]["sound_probability"] == [0.1235]
    assert "grpo, seed 2" in found["not_run"]
    assert found["machine"]["torch"] == torch.__version__
    assert found["commit"]
    assert "--method grpo" in found["runs"][0]["commands"][0]


def test_a_finished_run_is_not_done_again_and_one_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    cell, done = shortcut.PARTS["first"][0], []

    monkeypatch.setattr(shortcut, "train", done.append)
    finish(shortcut.folder_of(tmp_path, cell, 0))
    shortcut.do_run(cell, 0, tmp_path)
    assert not done
    begun = shortcut.folder_of(tmp_path, cell, 1)
    begun.mkdir(parents=True)
    (begun / "settings.json").write_text("{}")
    shortcut.do_run(cell, 1, tmp_path)
    shortcut.do_run(cell, 2, tmp_path)
    assert ["--resume" in command for command in done] == [True, False]


def test_a_run_that_is_refused_ends_the_grid_and_leaves_a_log(tmp_path, monkeypatch):
    def refuse(_):
        print("a line")
        raise ValueError("refused")

    monkeypatch.setattr(shortcut, "train", refuse)
    with pytest.raises(ValueError, match="refused"):
        shortcut.do_run(shortcut.PARTS["first"][0], 0, tmp_path)
    assert (tmp_path / "grpo" / "seed-0.log").read_text() == "a line\n"


def test_where_a_trained_model_looks_is_told_for_triangles_and_for_others(tmp_path, monkeypatch):
    finish(shortcut.folder_of(tmp_path, shortcut.PARTS["first"][0], 0))

    def decided(model, processor, problems, ways):
        """Look at whatever is no triangle."""
        look = torch.tensor([0.1 if problem.category == "triangle" else 0.8 for problem in problems])
        shares = {"look": look, "guess triangle": 0.9 - look, "skip": torch.full_like(look, 0.1)}
        return FirstDecision(shares=shares, entropy=look)

    monkeypatch.setattr("full_scale.model.checkpoint.load_model", lambda folder: None)
    monkeypatch.setattr("full_scale.model.processor.load_processor", lambda folder: None)
    monkeypatch.setattr("full_scale.model.decisions.first_decision", decided)
    found = shortcut.measure_decisions(["first"], tmp_path, problems=20)["runs"]
    assert [*found] == ["grpo, seed 0"]
    triangle, other = found["grpo, seed 0"]["triangle"], found["grpo, seed 0"]["other"]
    assert triangle["problems"] + other["problems"] == 20
    assert (triangle["look"], triangle["looks_first"]) == (0.1, 0.0)
    assert (other["look"], other["guess triangle"], other["looks_first"]) == (0.8, 0.1, 1.0)


def test_tables_hold_the_results_and_compare_with_grpo_seed_by_seed(tmp_path, monkeypatch):
    grpo, other = shortcut.PARTS["first"][:2]
    for cell, shares in ((grpo, (0.2, 0.4)), (other, (0.3, 0.4))):
        for seed, sound in enumerate(shares):
            finish(shortcut.folder_of(tmp_path / "runs", cell, seed), sound=sound)
    shortcut.write_results("first", tmp_path / "runs", tmp_path)
    titles, _, row, _ = shortcut_tables.table("first", tmp_path)
    assert titles.startswith("| method | seeds | greedy | sampled |")
    assert row.startswith("| grpo | 2 | 50.0 [50.0, 50.0] | ")
    assert " | 30.0 [0.0, 100.0] | " in row  # a t interval of two seeds, cut
    assert " | 0.50 [0.50, 0.50] | " in row  # nats
    _, _, compared = shortcut_tables.paired_table(["first"], tmp_path)
    assert compared.startswith(f"| {other.name} | 2 | +0.0 [+0.0, +0.0] | ")
    assert " | +5.0 [-58.5, +68.5] | " in compared


def test_the_findings_hold_the_tables_of_the_results():
    findings = (ROOT / "docs" / "shortcut_findings.md").read_text()
    for lines in (*map(shortcut_tables.table, shortcut.PARTS), shortcut_tables.paired_table(shortcut.REPORTED)):
        assert len(lines) > 2
        assert "\n".join(lines[2:]) in findings


def test_trials_of_rates_stand_in_a_table_and_are_compared_with_no_other_seeds(capsys):
    shortcut.main(["--tables", "--part", "rates"])
    trials, compared = capsys.readouterr().out.split("\n\n")
    assert "| grpo, rate 3e-5 | 1 |" in trials
    assert "rate" not in compared
