"""The launcher for Ray: what it refuses before it starts a worker. tests/ray has it train."""

import pytest

from full_scale.ray_train import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "workers='': expected their number first"),
        (["--preset", "tiny"], "workers='--preset': expected their number first"),
        (["0"], "workers='0': expected their number first"),
        (["2", "--stepz", "3"], "--steps"),
        (["3", "--micro-batch-rows", "8"], "128 responses over 3 processes"),
        (["2", "--micro-batch-rows", "8"], r"needs ray .*, which is not installed. Fix: pip install"),
    ],
)
def test_what_cannot_be_started_is_said_before_any_worker(monkeypatch, arguments, message):
    monkeypatch.setattr("full_scale.run.engines.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=message):
        main(arguments)
