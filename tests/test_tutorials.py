"""Every tutorial runs from top to bottom, with warnings as errors, and prints what is stored in it.

Lines with a trained policy's accuracy are left out: rounding on another processor can send a seed another way.
"""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.ipynb"))


def printed(notebook):
    """Return the lines that the code cells print, but for those of trained accuracies."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    lines = "".join(output.get("text", "") for output in outputs).splitlines()
    return [line for line in lines if "final accuracy" not in line]


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")  # zmq's event loop, not ours
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_runs_and_prints_what_is_stored(path, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning,error::FutureWarning")
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(fresh, timeout=120, resources={"metadata": {"path": str(path.parents[1])}}).execute()
    assert printed(fresh) == printed(stored)
