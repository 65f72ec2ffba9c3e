"""Where broken records go, and when there are too many of them."""

import json
import logging

import pytest

from full_scale.problems.quarantine import MOST, Quarantine


def test_each_record_is_a_line_with_its_place_and_reason(tmp_path):
    file = tmp_path / "new" / "quarantine.jsonl"
    quarantine = Quarantine(file)
    assert not file.exists()
    quarantine.leave_out("no answer", dataset="d", row=3)
    quarantine.leave_out("no picture: \ud800", dataset="d", row=4)
    assert quarantine.count == 2
    first, second = map(json.loads, file.read_text().splitlines())
    assert first == {"dataset": "d", "row": 3, "reason": "no answer"}
    assert second["row"] == 4
    assert Quarantine(file).count == 0
    assert not file.exists(), "that of a former run"


@pytest.mark.parametrize(
    ("most", "broken", "kept", "refused"),
    [
        (0.5, 1, 1, False),
        (0.5, 2, 1, True),
        (0.0, 1, 99, True),
        (0.0, 0, 1, False),
        (1.0, 3, 0, False),
        (0.1, 1, 9, False),
    ],
)
def test_too_large_a_share_is_refused(most, broken, kept, refused, caplog):
    quarantine = Quarantine(most=most)
    caplog.set_level(logging.WARNING)
    if refused:
        with pytest.raises(
            ValueError, match=rf"^d: {broken} of {broken + kept} records \(.*the first: r0. At most {most:.0%}"
        ):
            quarantine.check("d", [f"r{n}" for n in range(broken)], kept)
    else:
        quarantine.check("d", [f"r{n}" for n in range(broken)], kept)
        assert ("the first: r0; left out" in caplog.text) == bool(broken)


def test_what_is_left_out_is_told_with_its_file(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    Quarantine().check("d", ["r0"], 1)
    Quarantine(tmp_path / "q").check("d", ["r0"], 3)
    assert caplog.messages == [
        "d: 1 of 2 records (50%) are broken; the first: r0; left out",
        f"d: 1 of 4 records (25%) are broken; the first: r0; left out, see {tmp_path / 'q'}",
    ]


@pytest.mark.parametrize("most", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(most):
    with pytest.raises(ValueError, match="expected a share from 0 to 1"):
        Quarantine(most=most)
    assert MOST == 0.5
