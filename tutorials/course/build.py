"""Build the notebooks: ``python -m course.build [NN ...]`` in tutorials/ converts, executes at full budget and stores.

With ``--text`` nothing is executed: where only the text has changed, the stored outputs are kept. A notebook's source
is its text form, ``NN_name.py`` (jupytext's percent format); ``NN_name.ipynb`` is made from it, with the outputs of a
full run, and is never edited by hand. What all notebooks share is added here: links to the neighbours, a cell that
installs what is needed in Colab, links to the glossary, and the folding of code that only draws.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from course import predictions
from course.budgets import VARIABLE
from course.links import link_first_uses, link_papers_and_notebooks

TUTORIALS = Path(__file__).resolve().parents[1]
SIZE_LIMIT = 1_500_000  # bytes of a stored notebook
REPOSITORY = "calibrl-ref/calibrl-ref"  # on GitHub
COLAB = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/tutorials/"
EXTRAS = {"09": "toy,train"}  # of a checkout, for the notebooks that need more than the toy's

_METADATA = {
    "jupytext": {"formats": "ipynb,py:percent", "notebook_metadata_filter": "-all"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
}
_WARNINGS = """\
import warnings
warnings.filterwarnings("error", category=UserWarning)
warnings.filterwarnings("error", category=FutureWarning)
for category in (DeprecationWarning, PendingDeprecationWarning):
    warnings.filterwarnings("error", category=category, module=r"__main__|course|calibrl_ref|toy|full_scale")
"""
_INSTALL = """\
# In Colab: get a checkout and install what this notebook needs (a minute). Elsewhere this cell does nothing.
import sys

if "google.colab" in sys.modules:
    import os
    import subprocess

    get = "git clone --quiet --depth 1 https://github.com/{repository} checkout"
    install = f"{{sys.executable}} -m pip install --quiet --editable 'checkout[{extras}]'"
    subprocess.run(f"{{get}} && {{install}}", shell=True, check=True)
    os.chdir("checkout/tutorials")
    sys.path[:0] = [os.getcwd(), os.path.dirname(os.getcwd())]"""


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds on the clock, and seconds of processor time."""

    wall: float
    processor: float


def sources(numbers: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks' text forms in order; with ``numbers``, as ``["03"]``, those only.

    Raises:
        ValueError: no notebook has one of the numbers.
    """
    found = {path.name[:2]: path for path in sorted(TUTORIALS.glob("[0-9][0-9]_*.py"))}
    for number in numbers:
        if number not in found:
            raise ValueError(f"number={number!r}: expected one of {list(found)}. Fix: name a notebook by two digits.")
    return [path for number, path in found.items() if not numbers or number in numbers]


def convert(source: Path) -> NotebookNode:
    """Read a text form as a notebook without outputs; its cells are named by their place, to keep diffs small."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict(_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    text = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    files = {int(path.name[:2]): f"{path.stem}.ipynb" for path in sources()}
    followed = [link_papers_and_notebooks(cell.source, files) for cell in text]
    for cell, linked in zip(text, link_first_uses(followed), strict=True):
        cell.source = linked
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n{_neighbours(source)}\n{rest}"
    notebook.cells.insert(1, nbformat.v4.new_code_cell(_colab(source), metadata={"tags": ["colab", "hide-input"]}))
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"
        if "hide-input" in cell.metadata.get("tags", []):
            cell.metadata["jupyter"] = {"source_hidden": True}
    return notebook


def _neighbours(source: Path) -> str:
    """Links to the contents, the notebooks before and after, the glossary, and Colab."""
    every = sources()
    place = every.index(source)
    links = ["[Contents](README.md)"]
    links += [f"[before: {_title(path)}]({path.stem}.ipynb)" for path in every[max(0, place - 1) : place]]
    links += [f"[next: {_title(path)}]({path.stem}.ipynb)" for path in every[place + 1 : place + 2]]
    return " · ".join([*links, "[glossary](glossary.md)", f"[open in Colab]({COLAB}{source.stem}.ipynb)"])


def _title(source: Path) -> str:
    """The title up to its colon."""
    first = next(line for line in source.read_text(encoding="utf-8").splitlines() if line.startswith("# # "))
    return first.removeprefix("# # ").partition(":")[0]


def _colab(source: Path) -> str:
    """The code of the cell that gets and installs a checkout where the notebook is opened in Colab."""
    return _INSTALL.format(repository=REPOSITORY, extras=EXTRAS.get(source.name[:2], "toy"))


def execute(notebook: NotebookNode, *, budget: str, timeout: int = 900) -> Cost:
    """Run all cells in place, in the folder of the tutorials, with warnings as errors.

    Args:
        notebook: gets the outputs.
        budget: "full" or "reduced".
        timeout: seconds for one cell.

    Returns:
        What the run took, the start of the kernel included.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    notebook.cells.insert(0, nbformat.v4.new_code_cell(_WARNINGS))
    where = {"metadata": {"path": str(TUTORIALS)}}
    started, used = time.perf_counter(), _children_seconds()
    client = NotebookClient(notebook, timeout=timeout, record_timing=False, coalesce_streams=True, resources=where)
    with tempfile.TemporaryDirectory() as folder:  # the author's own predictions are not to be stored
        made = str(Path(folder) / "predictions.json")
        client.execute(env={**os.environ, VARIABLE: budget, predictions.VARIABLE: made})
    del notebook.cells[0]
    del notebook.metadata["language_info"]  # which Python it was; a notebook is the same whoever stores it
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _renumber(cell)
    return Cost(time.perf_counter() - started, _children_seconds() - used)


def _renumber(cell: NotebookNode) -> None:
    """Count the executions without the cell that sets the warnings."""
    cell.execution_count -= 1
    for output in cell.outputs:
        if "execution_count" in output:
            output.execution_count -= 1


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build(source: Path) -> Cost:
    """Convert and execute one notebook at full budget, and store it beside its source.

    Raises:
        ValueError: with its outputs the notebook is too large to store.
    """
    notebook = convert(source)
    cost = execute(notebook, budget="full")
    stored = nbformat.writes(notebook) + "\n"
    if len(stored.encode()) > SIZE_LIMIT:
        found = f"{source.stem}: {len(stored.encode())} bytes"
        raise ValueError(f"{found}: expected at most {SIZE_LIMIT}. Fix: fewer or simpler figures.")
    source.with_suffix(".ipynb").write_text(stored, encoding="utf-8")
    return cost


def rewrite(source: Path) -> None:
    """Store one notebook anew with the outputs that it has: only its text has changed.

    Raises:
        ValueError: a code cell is not the stored one, so its output may be another.
    """
    path, notebook = source.with_suffix(".ipynb"), convert(source)
    stored = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in stored]:
        raise ValueError(f"{source.stem}: expected the stored code. Fix: python -m course.build {source.stem[:2]}")
    for cell, old in zip(code, stored, strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the notebooks that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m course.build", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="two digits of each notebook, as 03; all if none is given")
    parser.add_argument("--text", action="store_true", help="keep the stored outputs: only the text has changed")
    options = parser.parse_args(arguments)
    for source in sources(options.numbers):
        if options.text:
            rewrite(source)
            continue
        cost = build(source)
        size = source.with_suffix(".ipynb").stat().st_size
        print(f"{source.stem}: {cost.wall:.0f} s, {cost.processor:.0f} s of processor time, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
