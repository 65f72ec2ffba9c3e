"""The figure that puts the toy's prediction beside the vision-language model's curves."""

import numpy as np
import pytest

from docs import shortcut

COURSE = {name: [0.5] * 3 for name in shortcut.PANELS}


@pytest.mark.slow
def test_the_model_s_curves_stand_above_the_toy_s_in_equal_panels():
    runs = [{"cell": "grpo", "course": COURSE}, {"cell": "grpo", "course": COURSE | {"accuracy": [0.1, 0.3, 0.5]}}]
    drawn = shortcut.figure(runs, {"grpo": "grpo"})
    titles = [axes.get_title() for axes in drawn.axes]
    assert len(titles) == 2 * len(shortcut.PANELS)
    assert [title.partition("\n")[0] for title in titles[:3]] == [title.partition("\n")[0] for title in titles[3:]]
    model, toy = drawn.axes[2], drawn.axes[5]
    assert model.lines[0].get_ydata() == pytest.approx([0.3, 0.35, 0.4])  # the mean over seeds of running means
    assert len(toy.lines[0].get_ydata()) == shortcut.UPDATES + 1


def test_the_toy_starts_where_the_shipped_model_starts():
    start = {name: values[0].mean() for name, values in shortcut.toy_curves("grpo", 1.0).items()}
    checkpoint = shortcut.read_json(shortcut.RESULTS / "checkpoint.json")
    assert start["sound_mass"] == pytest.approx(checkpoint["look"]["probability"], abs=0.002)
    assert np.isfinite(start["entropy"])
