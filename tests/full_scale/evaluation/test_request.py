"""What an evaluation is asked for, and how the model's own run decides what was left open."""

import dataclasses
import json
from pathlib import Path

import pytest

from full_scale.evaluation.request import LONGEST, Options, Request, training_settings
from full_scale.run.command_line import read_command_line, read_preset


def test_the_number_of_samples_is_the_k_unless_it_was_said():
    assert Request().ks == ()
    assert Request(samples=4).ks == (4,)
    assert Request(samples=4, pass_at=(1, 2)).ks == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": 2, "pass_at": (3,)}, r"--pass-at 3: expected 1 to the number of samples, 2. Fix: --samples 3\."),
        ({"samples": 2, "pass_at": (1, 0)}, r"--pass-at 0: expected 1 to the number of samples, 2. Fix: --samples 1\."),
        ({"pass_at": (1,)}, "--pass-at 1: expected 1 to the number of samples, 0"),
        ({"compare": (Path("a"),)}, "--compare: expected two folders, got 1"),
        ({"compare": (Path("a"),) * 3}, "--compare: expected two folders, got 3"),
    ],
)
def test_what_contradicts_itself_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Request(**wrong)


def test_what_fits_is_taken():
    assert Request(samples=2, pass_at=(1, 2)).samples == 2
    assert len(Request(compare=(Path("a"), Path("b"))).compare) == 2


@pytest.mark.parametrize(("name", "least"), [("samples", 0), ("max_response_length", 1), ("batch_size", 1)])
def test_numbers_that_are_too_small_are_refused(name, least):
    fits = {
        "samples": 1,
        "batch_size": 2,
        "max_response_length": 3,
        "instruct": False,
        "blank_pictures": False,
        "seed": 0,
    }
    assert getattr(Options(**fits | {name: least}), name) == least
    flag = name.replace("_", "-")
    with pytest.raises(ValueError, match=rf"^{name}={least - 1}: expected at least {least}. Fix: --{flag} {least}\.$"):
        Options(**fits | {name: least - 1})


@pytest.mark.parametrize("model", ["tiny", "tiny-text"])
def test_a_shipped_model_is_asked_as_its_preset_trains_it(model):
    options, preset = Request(model=model).options(), read_preset(model)
    assert options.max_response_length == preset["max_response_length"]
    assert options.instruct == preset["instruct"] is False


def test_a_checkpoint_from_elsewhere_is_instructed_and_has_room():
    options = Request(model="Qwen/Qwen2.5-VL-3B-Instruct").options()
    assert (options.max_response_length, options.instruct) == (LONGEST, True) == (1024, True)


def trained(**settings):
    """What a run writes to settings.json."""
    return json.dumps(dataclasses.asdict(read_command_line([]).settings) | settings)


def test_a_runs_settings_hold_for_its_folder_and_its_checkpoints(tmp_path):
    (tmp_path / "settings.json").write_text(trained(max_response_length=77, instruct=False, seed=3))
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "other").mkdir()
    for folder in (tmp_path, tmp_path / "checkpoint-4"):
        options = Request(model=str(folder), samples=2, batch_size=5, blank_pictures=True, seed=9).options()
        assert options == Options(
            samples=2, batch_size=5, max_response_length=77, instruct=False, blank_pictures=True, seed=9
        )
    assert training_settings(str(tmp_path / "other")) == {"max_response_length": LONGEST, "instruct": True}


def test_a_flag_wins_over_the_runs_settings(tmp_path):
    (tmp_path / "settings.json").write_text(trained(max_response_length=77, instruct=False))
    options = Request(model=str(tmp_path), max_response_length=5, instruct=True).options()
    assert (options.max_response_length, options.instruct) == (5, True)
    assert Request(model="tiny", instruct=False).options().instruct is False


@pytest.mark.parametrize("text", ["{}", "[1]", '{"instruct": "yes", "max_response_length": null}'])
def test_another_programs_settings_beside_a_model_do_not_count(tmp_path, text):
    (tmp_path / "settings.json").write_text(text)
    assert training_settings(str(tmp_path)) == {"max_response_length": LONGEST, "instruct": True}


def test_half_written_settings_are_named(tmp_path):
    (tmp_path / "settings.json").write_text('{"max')
    with pytest.raises(ValueError, match=r"settings.json: expected JSON"):
        Request(model=str(tmp_path)).options()


def test_what_is_not_said():
    assert dataclasses.asdict(Request()) == {
        **{"model": "tiny", "dataset": ("rendered",), "split": None, "limit": None, "columns": None},
        **{"skip_broken": False, "samples": 0, "pass_at": (), "blank_pictures": False, "instruct": None},
        "shots": None,
        **{
            "max_response_length": None,
            "batch_size": 64,
            "seed": 0,
            "remote_code": False,
            "merge": None,
            "compare": (),
        },
    }
