"""Pickles are read in a process of their own, and what goes wrong there is one line."""

import pickle

import numpy as np
import pytest

from full_scale.data import pickles
from full_scale.data.pickles import read_pickle


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


def write(tmp_path, content):
    (tmp_path / "x.pk").write_bytes(content)
    return tmp_path / "x.pk"


def test_containers_and_arrays_are_read(tmp_path):
    picture = np.zeros((2, 3), np.uint8)
    value = read_pickle(write(tmp_path, pickle.dumps([{"id": 1, "image": picture, "text": "角"}])))
    assert (value[0]["id"], value[0]["text"]) == (1, "角")
    assert value[0]["image"].keys() == {"dtype", "shape", "png"}


def test_a_pickle_that_runs_code_is_refused(tmp_path, capfd):
    with pytest.raises(ValueError, match=r"asks for builtins\.print; only NumPy arrays are allowed"):
        read_pickle(write(tmp_path, pickle.dumps([Evil()])))
    assert capfd.readouterr().out == ""


def test_a_cut_pickle_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^cannot read .*x\.pk as a pickle: UnpicklingError.*; download it again$"):
        read_pickle(write(tmp_path, pickle.dumps([1, 2, 3])[:-4]))


@pytest.mark.parametrize("end", ["import os; print(0, flush=True); os._exit(3)", "pass"])
def test_a_reader_that_ends_without_an_answer_is_told(end, tmp_path, monkeypatch):
    (tmp_path / "child.py").write_text(end)
    monkeypatch.setattr(pickles, "_CHILD", tmp_path / "child.py")
    said = "as a pickle: it crashes its reader, or needs more than 1 GiB or 5 minutes; do not trust this file$"
    with pytest.raises(ValueError, match=said):
        read_pickle(tmp_path / "x.pk")


def test_the_reader_has_one_thread_and_no_modules_of_the_folder(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the folder is on the path')")
    (tmp_path / "child.py").write_text(
        "import json, os, sys\n"
        "print(json.dumps({'value': [os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'], sys.argv[1]]}))"
    )
    monkeypatch.setattr(pickles, "_CHILD", tmp_path / "child.py")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert read_pickle(tmp_path / "x.pk") == ["1", "1", str(tmp_path / "x.pk")]
