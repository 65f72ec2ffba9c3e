"""The curves of a run."""

import json
import xml.etree.ElementTree

import numpy as np
import PIL.Image

from full_scale.pages.curves import curves_figure, save_curves

LOGS = {"loss": 0.3, "reward": 0.5, "accuracy": 0.4, "entropy": 0.1, "loss/exploration": -0.02}


def test_the_curves_show_each_update_and_the_running_mean():
    records = [{"step": step, **LOGS, "reward": float(step)} for step in range(1, 13)]
    figure = curves_figure(records, "a run")
    assert len(figure.axes) == 5
    each, mean = figure.axes[1].get_lines()
    np.testing.assert_allclose(each.get_ydata(), range(1, 13))
    assert mean.get_ydata()[0] == 1.0
    assert mean.get_ydata()[11] == np.mean(range(3, 13))
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in figure.axes)


def test_a_method_without_experts_has_no_exploration_panel():
    assert len(curves_figure([{"step": 1, "reward": 0.1, "accuracy": 0.1, "entropy": 0.2}], "grpo").axes) == 3


def test_a_supervised_method_has_its_loss():
    (axes,) = curves_figure([{"step": 1, "loss": 0.7, "loss/imitation": 0.7}], "sft").axes
    assert axes.get_title() == "Loss"


def test_an_update_that_was_left_out_has_no_point():
    records = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None, "reward": None}, {"step": 3, "loss": 0.1}]
    (axes,) = curves_figure(records, "a run").axes
    each, mean = axes.get_lines()
    assert each.get_xdata().tolist() == [1, 3]
    assert mean.get_ydata().tolist() == [0.5, 0.3]


def test_curves_are_written_as_png_and_svg(tmp_path):
    save_curves(tmp_path, "nothing yet")
    assert not (tmp_path / "curves.png").exists()
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, **LOGS}) + "\n")
    save_curves(tmp_path, "a run")
    with PIL.Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 1000
    assert xml.etree.ElementTree.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")
