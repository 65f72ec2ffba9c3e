"""The table of methods is what calibrl_ref says, and is read without it."""

import subprocess
import sys

import pytest

from calibrl_ref import RECIPES, SCHEDULES
from full_scale.run import methods
from full_scale.run.methods import FILE, HyperParameter, ask_calibrl_ref, hyper_parameters, method_names


def test_the_table_is_what_calibrl_ref_says_now(monkeypatch, tmp_path):
    table = {name: tuple(hyper_parameters(name).values()) for name in method_names()}
    assert table == ask_calibrl_ref(), "calibrl_ref has changed: python -m full_scale.run.methods"
    monkeypatch.setattr(methods, "FILE", tmp_path / "methods.json")
    methods.write_table()
    assert (tmp_path / "methods.json").read_text() == FILE.read_text()


def test_every_recipe_and_schedule_is_a_method():
    assert set(method_names()) == {*RECIPES, *SCHEDULES}


def test_a_hyper_parameter_knows_its_type():
    slope, length = hyper_parameters("calibrl")["slope"], hyper_parameters("calibrl")["max_length"]
    assert (slope.hint, slope.default, slope.optional) == (float, 0.5, False)
    assert (length.hint, length.default, length.optional) == (int | None, None, True)
    assert "trajectory" in hyper_parameters("calibrl")["gap"].choices
    assert slope.documentation
    assert HyperParameter(**vars(slope)) == slope


def test_a_method_that_was_registered_later_is_asked_of_calibrl_ref(monkeypatch):
    monkeypatch.setitem(RECIPES, "mine", RECIPES["dapo"])
    assert hyper_parameters("mine") == hyper_parameters("dapo")
    assert "mine" not in method_names()


def test_an_unknown_method_is_answered_with_the_one_that_was_meant():
    with pytest.raises(ValueError, match=r"^method='calbrl': expected one of .*Fix: did you mean 'calibrl'\?$"):
        hyper_parameters("calbrl")


def test_reading_the_table_imports_no_torch():
    code = "import sys, full_scale.run.methods as m; m.hyper_parameters('calibrl'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
