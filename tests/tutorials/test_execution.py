"""Every notebook runs from top to bottom in the reduced budget, with warnings as errors.

It takes minutes, so it is no part of the default tests: ``pytest tests/tutorials/test_execution.py``.
"""

import nbformat
import pytest
from course.build import convert, execute, sources
from nbclient.exceptions import CellExecutionError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")  # zmq's event loop, not ours


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(source):
    notebook = convert(source)
    execute(notebook, budget="reduced", timeout=300)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("category", ["UserWarning", "FutureWarning", "DeprecationWarning"])
def test_a_warning_of_our_own_stops_a_notebook(category):
    cell = nbformat.v4.new_code_cell(f"import warnings\nwarnings.warn('planted', {category})")
    with pytest.raises(CellExecutionError, match="planted"):
        execute(nbformat.v4.new_notebook(cells=[cell]), budget="reduced")


def test_the_budget_reaches_the_kernel():
    cell = nbformat.v4.new_code_cell("from course import budget\nprint(budget(full=32, reduced=4))")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    execute(notebook, budget="reduced")
    assert notebook.cells[0].outputs[0].text == "4\n"
