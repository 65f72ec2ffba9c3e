"""Every method of the command line runs to its end: one update, with results and curves."""

import json

import pytest
from tiny import save_tiny_checkpoint

from calibrl_ref import RECIPES, SCHEDULES
from full_scale.train import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
SMALL = (
    *("--prompts-per-step", "2", "--group-size", "2", "--micro-batch-rows", "4", "--max-response-length", "40"),
    *("--limit", "4", "--evaluate-problems", "0", "--steps", "1", "--generation-rounds", "1"),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return str(save_tiny_checkpoint(tmp_path_factory.mktemp("model")))


@pytest.mark.parametrize("method", [*RECIPES, *SCHEDULES])
def test_a_method_trains_and_leaves_results_and_curves(tmp_path, checkpoint, method):
    main([*SMALL, "--model", checkpoint, "--method", method, "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["method"], results["steps"]) == (method, 1)
    assert (tmp_path / "out" / "curves.svg").stat().st_size > 1000
