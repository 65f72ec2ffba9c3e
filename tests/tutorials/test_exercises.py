"""Exercises: a check fails on the unsolved cell, passes on the folded solution, and never raises."""

import re
import sys
from types import ModuleType

import nbformat
import pytest
from course import check, exercise
from course.build import TUTORIALS, convert, sources
from course.exercises import verdict


def first_code(cells):
    """The first cell of a reader's own: the one before it installs what is needed in Colab."""
    return next(cell for cell in cells if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []))


def exercises_of(source):
    """Return (number, first code cell, exercise cell, check cell, solution) of each exercise of a notebook."""
    cells = convert(source).cells
    first = first_code(cells).source
    found = []
    for place, cell in enumerate(cells):
        if "exercise" in cell.metadata.get("tags", []):
            checking, folded = cells[place + 1], cells[place + 2]
            assert "check" in checking.metadata.get("tags", [])
            (solution,) = re.findall(r"```python\n(.*?)```", folded.source, re.DOTALL)
            assert folded.source.rindex("<summary>Solution</summary>") < folded.source.rindex("</details>")
            (number,) = re.findall(r'check\("([\d.]+)"', checking.source)
            found.append((number, first, cell.source, checking.source, solution))
    return found


def stored_output(stem, checking):
    """What the stored notebook shows below a check."""
    notebook = nbformat.read(TUTORIALS / f"{stem}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.source == checking]
    return "".join(output.text for output in cell.outputs)


ALL = [(source.stem, *exercise) for source in sources() for exercise in exercises_of(source)]
EXERCISES = pytest.mark.parametrize(("stem", "number", "first", "unsolved", "checking", "solution"), ALL)


def printed(capsys, *cells):
    """Run cells in a fresh namespace; return what the last one prints."""
    namespace = {"__name__": "__main__"}
    for cell in cells:
        capsys.readouterr()
        exec(compile(cell, "cell", "exec"), namespace)
    return capsys.readouterr().out


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_each_notebook_has_two_or_three_exercises_numbered_in_order(source):
    numbers = [number for number, *_ in exercises_of(source)]
    assert numbers == [f"{int(source.stem[:2])}.{place}" for place in range(1, len(numbers) + 1)]
    assert 2 <= len(numbers) <= 3


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_each_exercise_says_how_hard_it_is_and_has_hints_in_steps_before_its_solution(source):
    cells = convert(source).cells
    for place, cell in enumerate(cells):
        if "exercise" in cell.metadata.get("tags", []):
            asked, folded = (
                "\n".join(c.source for c in part) for part in (cells[:place], cells[place + 2 : place + 3])
            )
            assert re.match(r".*\n\*(Easy|Medium|Hard), \d+ minutes\.\*", asked[asked.rindex("### Exercise") :])
            steps = re.findall(r"<details><summary>(.*)</summary>", folded)
            assert len(steps) >= 3
            assert steps == [*(f"Hint {step}" for step in range(1, len(steps))), "Solution"]


@EXERCISES
def test_unsolved_exercise_is_told_not_yet(stem, number, first, unsolved, checking, solution, capsys):
    said = printed(capsys, first, unsolved, checking)
    assert said.startswith("not yet: ")
    assert said == stored_output(stem, checking), f"run: python -m course.build {stem[:2]}"


@EXERCISES
def test_solution_is_told_right(stem, number, first, unsolved, checking, solution, capsys):
    assert printed(capsys, first, solution, checking).startswith("right: ")


@pytest.fixture
def sum_exercise(monkeypatch):
    monkeypatch.setitem(sys.modules, "course.checks.t99", ModuleType("course.checks.t99"))
    monkeypatch.setattr("course.exercises._CHECKS", {})

    @exercise("99.1")
    def is_seven(answer):
        if answer + 1 != 8:
            raise AssertionError("count again")
        return "three and four"

    return is_seven


def test_check_prints_why_an_answer_is_right(sum_exercise, capsys):
    check("99.1", 7)
    assert capsys.readouterr().out == "right: three and four\n"


def test_check_prints_the_hint(sum_exercise, capsys):
    check("99.1", 6)
    assert capsys.readouterr().out == "not yet: count again\n"


def test_an_answer_that_raises_is_not_yet_right(sum_exercise):
    found = verdict("99.1", "seven")
    assert not found.right
    assert "your answer raised TypeError" in found.message


def test_an_untouched_answer_is_not_yet_right(sum_exercise):
    assert str(verdict("99.1", ...)) == "not yet: replace the three dots by your answer"


def test_two_checks_of_one_number_are_refused(sum_exercise):
    with pytest.raises(ValueError, match=r"99\.1.*taken by is_seven"):
        exercise("99.1")(lambda answer: "another")


def test_the_budget_variable_is_checked(monkeypatch):
    from course import budget

    monkeypatch.setenv("CALIBRL_TUTORIAL_BUDGET", "tiny")
    with pytest.raises(ValueError, match=r"tiny.*full"):
        budget(full=1, reduced=0)
