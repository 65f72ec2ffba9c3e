import json

import numpy as np
import pytest

from toy.learning.settings import Training
from toy.studies.arms import Arm, save_curves
from toy.studies.results import SOLVED_ABOVE, summarise
from toy.studies.statistics import mean_interval, share_interval
from toy.world import World

TRAINING = Training(steps=4, points=3)
PLAIN = Arm("main", "grpo", World(), TRAINING, 2)
GRID = Arm(
    "slope x weight", "calibrl", World(), TRAINING, 2, ({"exploration_weight": 0.1}, {"exploration_weight": 0.3})
)
PLACED = Arm("rollouts x prior", "grpo", World(), TRAINING, 2, ({"sound_prior": 0.1},), {"rollouts": 8})
UNFINISHED = Arm("main", "calibrl", World(), TRAINING, 2)


def curves(shift=0.0):
    """Accuracies around the bar for solved, and masses that leave something for unsound paths."""
    accuracy = np.array([[0.1, 0.2], [0.85, 0.8500001], [0.9 + shift, 0.6]])
    masses = {"sound_mass": 0.1, "shortcut_mass": 0.6, "flawed_mass": 0.05}
    constant = {name: np.full((3, 2), value) for name, value in masses.items()}
    coverage = {"coverage": np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.25]])}
    return {"entropy": np.array([[3.0, 2.0], [2.0, 1.0], [1.0, 0.5]]), "accuracy": accuracy, **coverage, **constant}


@pytest.fixture
def results(tmp_path):
    (tmp_path / "arms").mkdir()
    save_curves([curves()], tmp_path / "arms" / PLAIN.file_name)
    save_curves([curves(0.01), curves(0.02)], tmp_path / "arms" / GRID.file_name)
    save_curves([curves()], tmp_path / "arms" / PLACED.file_name)
    arms = [PLAIN, UNFINISHED, GRID, PLACED]
    results = summarise("compare", arms, tmp_path, complete=False, seconds=2.5)
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(results))
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
    return results


def test_it_says_what_was_run_and_with_what(results):
    assert (results["study"], results["complete"], results["seconds"]) == ("compare", False, 2.5)
    assert set(results["versions"]) == {"torch", "numpy", "gymnasium"}
    assert len(results["made"]) == len("2026-11-25 18:00:00")


def test_an_entry_for_each_cell_of_each_finished_arm(results):
    found = [(entry["part"], entry["method"], entry["at"]) for entry in results["arms"]]
    assert found == [
        ("main", "grpo", {}),
        ("slope x weight", "calibrl", {"exploration_weight": 0.1}),
        ("slope x weight", "calibrl", {"exploration_weight": 0.3}),
        ("rollouts x prior", "grpo", {"sound_prior": 0.1, "rollouts": 8}),
    ]
    assert list(results["arms"][3]["at"]) == ["sound_prior", "rollouts"]  # a cell's axes go across a map
    assert [entry["final"]["accuracy"][0] for entry in results["arms"]] == pytest.approx([0.9, 0.91, 0.92, 0.9])
    entry = results["arms"][0]
    assert set(entry) == {"part", "method", "world", "training", "seeds", "at", "steps", "curves", "final"}
    assert (entry["world"]["depth"], entry["training"]["steps"], entry["seeds"]) == (4, 4, 2)
    assert entry["steps"] == [0, 2, 4]
    assert entry["final"] == {"entropy": [1.0, 0.5], "accuracy": [0.9, 0.6], "coverage": [0.5, 0.25]}


def test_curves_have_means_and_intervals_over_seeds_and_two_that_follow_from_them(results):
    found = results["arms"][0]["curves"]
    assert found["entropy"]["mean"] == [2.5, 1.5, 0.75]
    parts = zip(("mean", "low", "high"), mean_interval(curves()["accuracy"]), strict=True)
    assert found["accuracy"] == {name: part.round(6).tolist() for name, part in parts}
    assert found["unsound_mass"]["mean"] == pytest.approx([0.25] * 3)
    assert SOLVED_ABOVE == 0.85
    assert found["solved"]["mean"] == [0.0, 0.5, 0.5]  # exactly at the bar is not above it
    low, high = share_interval(1, 2)
    assert (found["solved"]["low"][1], found["solved"]["high"][1]) == pytest.approx((low, high), abs=1e-6)
    assert found["solved"]["high"][0] == pytest.approx(share_interval(0, 2)[1], abs=1e-6)
