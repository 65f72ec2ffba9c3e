"""The command line, from an empty folder to the report, its interruption and its refusals."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from toy.__main__ import main, parse
from toy.learning.settings import Training
from toy.pages.figures import style_of
from toy.studies.plans import plan
from toy.studies.questions import STUDIES
from toy.world import World

SMALL = ["--method", "grpo", "calibrl:slope=0.8", "--seeds", "3", "--steps", "12", "--points", "5"]
REGIMES = {"deterministic", "executable", "unexecutable", "deep", "adam"}


@pytest.fixture
def finished(study):
    return study("compare")


def test_results_hold_settings_versions_and_curves_with_intervals(finished):
    results = json.loads((finished / "results.json").read_text())
    assert results["complete"]
    assert set(results["versions"]) == {"torch", "numpy", "gymnasium"}
    assert {arm["part"] for arm in results["arms"]} == {"main", "slope x weight", *REGIMES}
    arm = results["arms"][1]
    assert (arm["method"], arm["world"]["shortcuts"], arm["training"]["steps"]) == ("calibrl:slope=0.8", 4, 12)
    for curve in arm["curves"].values():
        assert len(curve["mean"]) == len(arm["steps"]) == 5
        triples = zip(curve["low"], curve["mean"], curve["high"], strict=True)
        assert all(low - 1e-6 <= mean <= high + 1e-6 for low, mean, high in triples)
    masses = [arm["curves"][f"{kind}_mass"]["mean"] for kind in ("sound", "shortcut", "flawed", "unsound")]
    assert np.sum(masses, axis=0) == pytest.approx(np.ones(5), abs=1e-5)
    assert len(arm["final"]["accuracy"]) == 3


def test_report_is_one_self_contained_page(finished):
    page = (finished / "report.html").read_text()
    assert not re.search(r"(src|href)=[\"']https?:", page)
    assert page.count('src="data:image/svg+xml;base64,') == 7
    for text in ("What to look at", "What this does not prove", "Adam", "calibrl:slope=0.8", style_of("grpo")[0]):
        assert text in page
    for name in ("main", "slope_x_weight", *REGIMES):
        assert (finished / f"{name}.png").stat().st_size > 10_000
        assert (finished / f"{name}.svg").exists()


def test_a_finished_folder_is_kept_unless_told(finished, capsys):
    before = (finished / "results.json").read_bytes()
    assert main(["compare", "--out", str(finished), *SMALL]) == 2
    assert "--overwrite" in capsys.readouterr().out
    assert (finished / "results.json").read_bytes() == before


def test_a_foreign_folder_is_never_touched(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    for flag in ("--overwrite", "--resume"):
        assert main(["compare", "--out", str(tmp_path), flag, *SMALL]) == 2
        assert "it is in use, thesis.txt is no file of ours" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--method", "grop"], "'calibrl'"),
        (["compare", "--seeds", "0"], "--seeds 0"),
        (["compare", "--optimizer", "lion"], "sgd, adam"),
        (["compare", "--optimizer", "adm"], "did you mean 'adam'?"),
        (["compar"], "compare, ablate, phase, mechanism, watch, live, methods. Fix: did you mean 'compare'?"),
        (
            ["compare", "--sedes", "3"],
            "--sedes: expected a flag of python -m toy compare. Fix: did you mean --seeds?",
        ),
        (["compare", "--method", "calibrl", "--slop", "0.3"], "did you mean --slope?"),
        (["compare", "--method", "grpo", "calibrl", "--slope", "0.3"], "--slope: of which of 2 methods?"),
        (["ablate", "--slope", "high"], "error: slope='high': expected a number"),
        (["compare", "--depth", "9"], "at most 16384 paths to enumerate. Nearest valid setting: depth=7"),
        (["compare", "--sound", "0"], "Nearest valid setting: sound=1"),
        (["compare", "--sound", "250"], "at least 267 paths"),
        (["ablate", "--prompts", "6"], "prompts=6: expected a multiple of families=4"),
        (["ablate", "--method", "grpo"], "hyper-parameter of grpo='slope'"),
        (["ablate", "--method", "calibrl_cppo"], "it drops rows"),
        (["phase", "--method", "cppo"], "it drops rows"),
        (["mechanism", "--method", "calibrl:slope=2"], "slope"),
    ],
)
def test_bad_input_names_the_valid_choices_and_writes_nothing(tmp_path, capsys, arguments, message):
    assert main([*arguments, "--out", str(tmp_path / "new")]) == 2
    assert message in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_an_interrupted_study_keeps_what_is_finished_and_resumes(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "toy", "mechanism", "--out", str(out), "--workers", "1"]
    command += ["--seeds", "2", "--steps", "60"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "error"}
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("arms/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "the same command with --resume continues" in text
    assert not json.loads((out / "results.json").read_text())["complete"]
    assert "interrupted" in (out / "report.html").read_text()
    first = {file.name: file.stat().st_mtime_ns for file in out.glob("arms/*.npz")}
    assert 0 < len(first) < 5
    assert main([*command[3:], "--resume"]) == 0
    assert json.loads((out / "results.json").read_text())["complete"]
    assert len(list(out.glob("arms/*.npz"))) == 5
    assert all((out / "arms" / name).stat().st_mtime_ns == made for name, made in first.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "parts", "figures"),
    [
        (
            "ablate",
            {"slope", "weight", "gate", "gap", "baseline", "families", "weighting", "slope x weight"},
            {"slope_x_weight", "slope", "families"},
        ),
        (
            "phase",
            {"executable x weight", "imitation x executable", "rollouts x prior"},
            {"executable_x_weight", "imitation_x_executable", "rollouts_x_prior"},
        ),
        ("mechanism", {"main"}, {"main", "push", "entropy_change"}),
    ],
)
def test_other_studies_write_results_figures_and_a_page(study, command, parts, figures):
    out = study(command)
    results = json.loads((out / "results.json").read_text())
    assert results["complete"]
    assert {entry["part"] for entry in results["arms"]} == parts
    places = [(entry["part"], entry["method"], *entry["at"].items()) for entry in results["arms"]]
    assert len(set(places)) == len(places)
    assert "What this does not prove" in (out / "report.html").read_text()
    for name in figures:
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert (out / f"{name}.svg").exists()


@pytest.mark.slow
def test_a_grid_has_every_cell_once_and_differs_along_its_axes(study):
    entries = json.loads((study("phase") / "results.json").read_text())["arms"]
    members = [entry for entry in entries if entry["part"] == "executable x weight"]
    cells = {tuple(entry["at"].values()): entry for entry in members if entry["method"] == "calibrl"}
    assert len(cells) == 25
    assert [len([entry for entry in members if entry["method"] == name]) for name in ("grpo", "sft_grpo")] == [5, 5]
    assert cells[1.0, 0.1]["final"]["accuracy"] != cells[0.0, 0.1]["final"]["accuracy"]
    assert cells[1.0, 0.1]["final"]["accuracy"] != cells[1.0, 0.3]["final"]["accuracy"]
    imitation = [entry for entry in entries if entry["part"] == "imitation x executable"]
    shares = {entry["at"].get("supervised_share") for entry in imitation if entry["method"] == "sft_grpo"}
    assert shares == {0.15, 1 / 3, 0.6, 0.8}
    ends = [entry["final"]["accuracy"] for entry in imitation if entry["method"] == "sft_grpo"]
    assert len({tuple(end) for end in ends}) == len(ends) == 20
    assert [entry["at"] for entry in imitation if entry["method"] == "grpo"][-1] == {"executable": 1.0}


def test_ablate_changes_the_recipe_that_it_is_given():
    arms = plan("ablate", ["calibrl:exploration_weight=0.3"], World(), Training(), 2)
    methods = {arm.method for arm in arms if arm.part == "gate"}
    assert {"calibrl:exploration_weight=0.3", "calibrl:exploration_weight=0.3,gate=relu"} <= methods


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["watch", "--help"], ["methods", "--help"]])
def test_help_does_not_wait_for_what_trains(arguments):
    code = "import sys; from toy.__main__ import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert "usage: python -m toy" in found.stdout
    assert not {"torch", "matplotlib", "calibrl_ref", "jinja2"} & set(found.stderr.split())


def test_the_help_of_a_command_names_types_and_choices(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for expected in ("--out PATH", "--seeds INT", "--optimizer NAME", "--sound-prior FLOAT", "--resume"):
        assert expected in text
    assert "(default: 32)" in text


def test_the_default_folder_is_the_commands_own():
    assert {name: str(parse([name])[0].out) for name in STUDIES} == {name: f"runs/{name}" for name in STUDIES}
    assert parse(["watch"])[0].points == 101
    assert parse(["compare"])[0].workers == os.cpu_count()


def test_an_error_of_the_machine_is_a_line_too(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["compare", "--out", str(tmp_path / "file" / "new"), *SMALL]) == 2
    assert "cannot be written (Not a directory). Fix: choose another --out" in capsys.readouterr().out
