"""The command line, from an empty folder to the report, its interruption and its refusals."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from toy.__main__ import main
from toy.figures import style_of

SMALL = ["--recipe", "grpo", "calibrl:slope=0.8", "--seeds", "3", "--steps", "4", "--workers", "2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "run"
    assert main(["compare", "--out", str(out), *SMALL]) == 0
    return out


def test_results_hold_settings_versions_and_curves_with_intervals(finished):
    results = json.loads((finished / "results.json").read_text())
    assert results["complete"]
    assert set(results["versions"]) == {"torch", "numpy", "gymnasium"}
    assert {arm["setting"] for arm in results["arms"]} == {
        "main",
        "deterministic",
        "executable",
        "unexecutable",
        "adam",
    }
    arm = results["arms"][1]
    assert (arm["method"], arm["world"]["shortcuts"], arm["training"]["steps"]) == ("calibrl:slope=0.8", 4, 4)
    curve = arm["curves"]["accuracy"]
    assert len(curve["mean"]) == len(arm["steps"]) == 5
    assert all(low <= mean <= high for low, mean, high in zip(curve["low"], curve["mean"], curve["high"], strict=True))
    assert len(arm["final"]["accuracy"]) == 3


def test_report_is_one_self_contained_page(finished):
    page = (finished / "report.html").read_text()
    assert not re.search(r"(src|href)=[\"']https?:", page)
    assert "<script" not in page
    assert page.count("<svg") == 2
    for text in ("What to look at", "What this does not prove", "Adam", "calibrl:slope=0.8", style_of("grpo")[0]):
        assert text in page
    for name in ("comparison", "regimes"):
        assert (finished / f"{name}.png").stat().st_size > 10_000
        assert (finished / f"{name}.svg").exists()


def test_a_finished_folder_is_kept_unless_forced(finished, capsys):
    before = (finished / "results.json").read_bytes()
    assert main(["compare", "--out", str(finished), *SMALL]) == 2
    assert "--force" in capsys.readouterr().out
    assert (finished / "results.json").read_bytes() == before


def test_a_foreign_folder_is_never_touched(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["compare", "--out", str(tmp_path), "--force", *SMALL]) == 2
    assert "not empty" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "grop"], "'calibrl'"),
        (["--seeds", "0"], "--seeds 0"),
        (["--optimizer", "lion"], "'sgd', 'adam'"),
    ],
)
def test_bad_input_names_the_valid_choices_and_writes_nothing(tmp_path, capsys, arguments, message):
    assert main(["compare", "--out", str(tmp_path / "new"), *arguments]) == 2
    assert message in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_an_interrupted_study_keeps_what_is_finished_and_resumes(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "toy", "compare", "--out", str(out), "--recipe", "grpo", "calibrl"]
    command += ["--seeds", "2", "--steps", "60", "--workers", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "error"}
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("arms/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert "same command continues" in text
    assert not json.loads((out / "results.json").read_text())["complete"]
    assert "interrupted" in (out / "report.html").read_text()
    first = {file.name: file.stat().st_mtime_ns for file in out.glob("arms/*.npz")}
    assert 0 < len(first) < 14
    assert subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
    assert json.loads((out / "results.json").read_text())["complete"]
    assert len(list(out.glob("arms/*.npz"))) == 14
    assert all((out / "arms" / name).stat().st_mtime_ns == made for name, made in first.items())


@pytest.mark.parametrize(
    ("command", "settings", "figures"),
    [
        ("ablate", {"slope", "weight", "gate", "gap", "baseline", "weighting", "slope x weight"}, ["slope_x_weight"]),
        ("phase", {"executable", "executable x weight", "rollouts x prior"}, ["rollouts_x_prior", "executable"]),
        ("mechanism", {"main"}, ["main"]),
    ],
)
def test_other_studies_write_results_figures_and_a_page(tmp_path, command, settings, figures):
    out = tmp_path / "run"
    assert main([command, "--out", str(out), "--seeds", "2", "--steps", "2", "--points", "2", "--prompts", "4"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["complete"]
    assert {entry["setting"] for entry in results["arms"]} == settings
    places = [(entry["setting"], entry["method"], *entry["at"].items()) for entry in results["arms"]]
    assert len(set(places)) == len(places)
    page = (out / "report.html").read_text()
    assert page.count("<svg") == len(settings)
    assert "What this does not prove" in page
    for name in figures:
        assert (out / f"{name}.png").stat().st_size > 10_000
        assert (out / f"{name}.svg").exists()


def test_a_grid_has_every_cell_once_and_differs_along_its_axes(tmp_path):
    out = tmp_path / "run"
    assert main(["phase", "--out", str(out), "--seeds", "2", "--steps", "30", "--points", "2"]) == 0
    entries = json.loads((out / "results.json").read_text())["arms"]
    cells = {tuple(entry["at"].values()): entry for entry in entries if entry["setting"] == "executable x weight"}
    assert len(cells) == 20
    assert cells[1.0, 0.1]["final"]["accuracy"] != cells[0.0, 0.1]["final"]["accuracy"]
    assert cells[1.0, 0.1]["final"]["accuracy"] != cells[1.0, 0.3]["final"]["accuracy"]
