"""The progress line, metrics.jsonl and the curves."""

import io
import json
import signal
import xml.etree.ElementTree

import numpy as np
import PIL.Image
import pytest
from rich.console import Console
from transformers import TrainerControl, TrainerState

from full_scale.pages.curves import curves_figure, save_curves
from full_scale.run.folder import forget_later_metrics, read_metrics
from full_scale.training.reporter import Reporter

LOGS = {"reward": 0.5, "accuracy": 0.4, "entropy": 0.1, "loss/exploration": -0.02}


def trained(reporter, steps, state=None):
    state = state or TrainerState()
    control = TrainerControl()
    reporter.on_train_begin(None, state, control)
    for _ in range(steps):
        state.global_step += 1
        reporter.on_log(None, state, control, logs=LOGS)
        reporter.on_step_end(None, state, control)
    reporter.on_log(None, state, control, logs={"train_runtime": 3.0})
    return control


def reporter_on(tmp_path, steps, *, terminal=False):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    return Reporter(tmp_path / "metrics.jsonl", steps, console), text


def test_every_update_is_a_record_and_a_line_with_the_time_left(tmp_path):
    reporter, text = reporter_on(tmp_path, 3)
    with reporter:
        trained(reporter, 3)
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    lines = text.getvalue().splitlines()
    assert lines[1].startswith("update 2/3  reward 0.500  accuracy 0.400  entropy 0.100  exploration -0.020")
    assert lines[1].rstrip().endswith("s left")
    assert len(lines) == 3


def test_a_terminal_gets_one_live_line(tmp_path):
    reporter, text = reporter_on(tmp_path, 3, terminal=True)
    with reporter:
        trained(reporter, 3)
    assert "reward 0.500" in text.getvalue()
    assert "3/3" in text.getvalue()
    assert "update 2/3" not in text.getvalue()


def test_a_supervised_update_has_no_reward_and_is_logged_all_the_same(tmp_path):
    reporter, _ = reporter_on(tmp_path, 1)
    reporter.on_log(None, TrainerState(), TrainerControl(), logs={"loss/imitation": 2.0})
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 0, "loss/imitation": 2.0}]


def test_of_several_processes_one_writes(tmp_path):
    reporter, text = reporter_on(tmp_path, 1)
    reporter.on_log(None, TrainerState(is_world_process_zero=False), TrainerControl(), logs=LOGS)
    assert not (tmp_path / "metrics.jsonl").exists()
    assert text.getvalue() == ""


def test_the_first_ctrl_c_saves_and_the_second_stops(tmp_path):
    reporter, _ = reporter_on(tmp_path, 9)
    former = signal.getsignal(signal.SIGINT)
    with reporter:
        signal.raise_signal(signal.SIGINT)
        control = trained(reporter, 1)
        assert control.should_save
        assert control.should_training_stop
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former


def test_metrics_of_updates_that_are_done_again_are_dropped(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 3)))
    forget_later_metrics(file, 2)
    assert [record["step"] for record in read_metrics(file)] == [1, 2]
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_the_curves_show_each_update_and_the_running_mean():
    records = [{"step": step, **LOGS, "reward": float(step)} for step in range(1, 13)]
    figure = curves_figure(records, "a run")
    assert len(figure.axes) == 4
    each, mean = figure.axes[0].get_lines()
    np.testing.assert_allclose(each.get_ydata(), range(1, 13))
    assert mean.get_ydata()[0] == 1.0
    assert mean.get_ydata()[11] == np.mean(range(3, 13))
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)


def test_a_method_without_experts_has_no_exploration_panel():
    assert len(curves_figure([{"step": 1, "reward": 0.1, "accuracy": 0.1, "entropy": 0.2}], "grpo").axes) == 3


def test_curves_are_written_as_png_and_svg(tmp_path):
    save_curves(tmp_path, "nothing yet")
    assert not (tmp_path / "curves.png").exists()
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, **LOGS}) + "\n")
    save_curves(tmp_path, "a run")
    with PIL.Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
    assert xml.etree.ElementTree.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")
