"""From a parsed command line to what is trained."""

import io
import json
import signal
from dataclasses import fields

import pytest
from rich.console import Console

from calibrl_ref import RECIPES, SCHEDULES, hyper_parameters
from cli.flags import flag_of
from cli.interruption import Interruption
from toy import commands
from toy.__main__ import parse
from toy.commands import with_flags
from toy.learning.settings import Training
from toy.world import World

SMALL = ["--seeds", "2", "--steps", "2", "--points", "2", "--prompts", "4", "--workers", "1"]


def run(*arguments):
    console = Console(file=io.StringIO(), width=220)
    with Interruption() as interruption:
        status = commands.run(*parse(arguments), arguments, console, interruption)
    return status, console.file.getvalue()


@pytest.mark.slow
def test_hyper_parameters_are_flags_of_the_one_method_that_is_named(tmp_path):
    status, _ = run("ablate", *SMALL, "--slope", "0.3", "--no-weighted", "--out", str(tmp_path / "a"))
    assert status == 0
    settings = json.loads((tmp_path / "a" / "settings.json").read_text())
    methods = {arm["method"] for arm in settings["arms"].values() if arm["part"] == "gap"}
    assert "calibrl:slope=0.3,weighted=false" in methods
    page = (tmp_path / "a" / "report.html").read_text()
    assert "python -m toy ablate" in page
    assert "--slope 0.3 --no-weighted" in page


@pytest.mark.slow
def test_a_study_goes_on_prints_its_tables_and_says_where_the_report_is(tmp_path):
    out = ["--out", str(tmp_path)]
    status, first = run("mechanism", *SMALL, *out, "--method", "grpo", "calibrl:slope=0.3")
    assert status == 0
    assert f"Report: {tmp_path / 'report.html'}" in first
    assert "The default world" in first
    assert "calibrl:slope=0.3" in first
    assert "GRPO  " in first
    arms = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "arms").iterdir()}
    status, _ = run("mechanism", *SMALL, *out, "--method", "grpo", "calibrl:slope=0.3", "--resume")
    assert status == 0
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "arms").iterdir()} == arms
    status, _ = run("mechanism", *SMALL, *out, "--method", "dapo", "--overwrite")
    assert status == 0
    assert [path.name for path in (tmp_path / "arms").iterdir()] == ["main__dapo.npz"]


@pytest.mark.slow
@pytest.mark.parametrize(("points", "kept"), [(1, 0), (4, 1)])
def test_an_interruption_keeps_finished_arms_and_has_the_signals_status(tmp_path, monkeypatch, points, kept):
    left = iter(range(points, -1, -1))
    advance = commands.Progress.advance

    def strike(self, task):
        advance(self, task)
        if next(left) == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(commands.Progress, "advance", strike)
    arguments = [
        "mechanism",
        *SMALL[:4],
        "--points",
        "3",
        *SMALL[6:],
        "--method",
        "grpo",
        "dapo",
        "--out",
        str(tmp_path),
    ]
    status, text = run(*arguments)
    assert status == 143
    assert "the same command with --resume" in text
    assert len(list((tmp_path / "arms").iterdir())) == kept
    assert not json.loads((tmp_path / "results.json").read_text())["complete"]
    assert (tmp_path / "report.html").exists() == (kept > 0)
    monkeypatch.undo()
    assert run(*arguments, "--resume")[0] == 0
    assert json.loads((tmp_path / "results.json").read_text())["complete"]


@pytest.mark.slow
def test_the_bar_counts_the_points_of_the_arms_that_are_missing(tmp_path, monkeypatch):
    totals = []
    add = commands.Progress.add_task
    monkeypatch.setattr(
        commands.Progress,
        "add_task",
        lambda self, *a, total, **k: totals.append(total) or add(self, *a, total=total, **k),
    )
    arguments = ["mechanism", *SMALL, "--method", "grpo", "dapo", "--out", str(tmp_path)]
    run(*arguments)
    (tmp_path / "arms" / "main__dapo.npz").unlink()
    run(*arguments, "--resume")
    assert totals == [4, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--method", "grpo", "calibrl", "--slope", "0.3"], "^--slope: of which of 2 methods.*grpo:slope="),
        (
            ["compare", "--method", "grpo", "calibrl", "--sloop", "0.3"],
            "^--sloop: expected a flag of python -m toy compare",
        ),
        (["ablate", "--slop", "0.3"], r"did you mean --slope\?"),
        (["ablate", "--slope", "high"], "slope='high': expected a number"),
        (["ablate", "--slope"], "--slope: expected one argument"),
        (["watch", "--method", "grop"], "did you mean 'grpo'"),
        (["watch", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (["methods", "grop"], "did you mean 'grpo'"),
        (["live", "--ot", "page.html"], r"--ot: expected a flag of python -m toy live. Fix: did you mean --out\?"),
        (["methods", "--all"], "--all: expected a flag of python -m toy methods"),
        (["mechanism", "--seeds", "0"], "--seeds 0: expected at least 1"),
        (["mechanism", "--workers", "0"], "--workers 0: expected at least 1"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        run(*arguments)


def test_watch_draws_what_it_is_told():
    status, text = run(
        "watch", "--steps", "2", "--points", "2", "--delay", "0", "--method", "calibrl", "--slope", "0.8"
    )
    assert status == 0
    assert "calibrl:slope=0.8, seed 0, step 2 of 2" in text


def test_live_writes_its_page_where_it_is_told(tmp_path):
    path = tmp_path / "somewhere" / "page.html"
    status, text = run("live", "--out", str(path))
    assert status == 0
    assert f"Open in a browser: {path}" in text
    assert "<title>Watch a policy stop searching</title>" in path.read_text()


def test_flags_become_options_of_the_name():
    assert with_flags("calibrl", []) == ("calibrl", [])
    given = ["--gap=token_aligned", "--seeds", "3", "--detach-expert", "--max-length", "none"]
    name, rest = with_flags("calibrl:slope=0.3", given)
    assert rest == ["--seeds", "3"]
    assert name.startswith("calibrl:slope=0.3,")
    options = {"slope=0.3", "max_length=none", "detach_expert=true", "gap=token_aligned"}
    assert set(name.partition(":")[2].split(",")) == options


def test_no_hyper_parameter_has_the_name_of_another_flag():
    settings = {flag_of(field.name) for kind in (Training, World) for field in fields(kind)}
    others = {"--out", "--resume", "--overwrite", "--seeds", "--workers", "--method", "--seed", "--delay"}
    for method in (*RECIPES, *SCHEDULES):
        assert not {flag_of(item.name) for item in hyper_parameters(method)} & (settings | others)


def test_the_methods_are_listed_with_what_they_are():
    _, text = run("methods")
    for name in (*RECIPES, *SCHEDULES):
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
        assert len(line.split()) > 4
    assert "sft (33% of the steps), then grpo (67% of the steps)" in text


def test_the_hyper_parameters_of_a_method_are_listed():
    _, text = run("methods", "calibrl")
    found = {line.split()[0]: line for line in text.splitlines() if line.startswith("--")}
    assert set(found) == {flag_of(item.name) for item in hyper_parameters("calibrl")}
    assert " float " in found["--slope"]
    assert " 0.5 " in found["--slope"]
    assert " true, false " in found["--weighted"]
    assert "int, none" in found["--max-length"]
    assert "leaky_relu, relu" in found["--gate"]
