"""The evaluation command: what is refused before anything is written, and how it ends."""

import re
import subprocess
import sys

import pytest
from realdata import GEOMETRY3K, ROOT

from full_scale.evaluate import main


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "/no/such/folder"], "model='/no/such/folder': expected a folder with a checkpoint, a hub id"),
        (["--modle", "tiny"], r"--modle: expected a flag of evaluate.py. Fix: did you mean --model\?"),
        (["--output-dir", "x"], r"--output-dir: expected a flag of evaluate.py. Fix: did you mean --out\?"),
        (["--compare", "x"], r"--compare: expected two folders, got 1. Fix: --compare A B"),
        (["--dataset", "nope"], "unknown data set 'nope'"),
        (["--dataset", str(GEOMETRY3K), "--split", "nope"], "has no split 'nope'"),
        (["--split", "nope"], "rendered has no split 'nope'; it has train, test"),
        (["--limit", "0"], "limit must be at least 1"),
        (["--samples", "-1"], r"samples=-1: expected at least 0. Fix: --samples 0\."),
        (
            ["--samples", "2", "--pass-at", "3"],
            r"--pass-at 3: expected 1 to the number of samples, 2. Fix: --samples 3\.",
        ),
        (["--pass-at", "1"], "--pass-at 1: expected 1 to the number of samples, 0"),
        (["--batch-size", "0"], "batch_size=0: expected"),
        (["--max-response-length", "0"], "max_response_length=0: expected"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(["--out", str(tmp_path / "out"), *flags])
    assert not (tmp_path / "out").exists()


def test_an_empty_data_set_is_refused(tmp_path):
    (tmp_path / "data" / "test").mkdir(parents=True)
    with pytest.raises(ValueError, match="has none of the known layouts"):
        main(["--out", str(tmp_path / "out"), "--dataset", str(tmp_path / "data")])
    with pytest.raises(ValueError, match="has no problems in split 'test'"):
        main(["--out", str(tmp_path / "out"), "--dataset", f"geometry3k:{tmp_path / 'data'}"])


@pytest.mark.slow
def test_the_command_ends_with_the_message_only(tmp_path):
    (tmp_path / "precious").write_text("x")
    command = [sys.executable, str(ROOT / "full_scale" / "evaluate.py"), "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert re.fullmatch(
        r"error: out=.*: it is in use, precious is no file of ours. Fix: choose another --out\.", ended.stderr.strip()
    )
