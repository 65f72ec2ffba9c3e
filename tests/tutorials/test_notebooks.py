"""What is stored: each notebook equals its text form, holds the outputs of a run, and has the parts of a lesson."""

import re

import nbformat
import pytest
from course.build import SIZE_LIMIT, TUTORIALS, convert, main, sources

NOTEBOOKS = pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)


def stored(source):
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def text_of(source):
    return [cell.source for cell in convert(source).cells if cell.cell_type == "markdown"]


def test_every_stored_notebook_has_a_source():
    assert {path.stem for path in TUTORIALS.glob("*.ipynb")} == {path.stem for path in sources()}


@NOTEBOOKS
def test_stored_notebook_is_what_its_source_says(source):
    def written(notebook):
        return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]

    assert written(stored(source)) == written(convert(source)), f"run: python -m course.build {source.stem[:2]}"


@NOTEBOOKS
def test_outputs_are_stored_and_small_enough(source):
    code = [cell for cell in stored(source).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs
    assert all(output.output_type != "error" for output in outputs)
    assert source.with_suffix(".ipynb").stat().st_size <= SIZE_LIMIT


@NOTEBOOKS
def test_every_figure_has_a_text_for_those_who_cannot_see_it(source):
    outputs = [output for cell in stored(source).cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert all(len(picture.metadata.get("image/png", {}).get("alt", "")) > 20 for picture in pictures), "use show()"


@NOTEBOOKS
def test_the_parts_of_a_lesson_come_in_order(source):
    text = text_of(source)
    head, whole = text[0], "\n\n".join(text)
    assert re.match(r"# .+", head)
    assert head.index("**The question.**") < head.index("**Afterwards you can**") < head.index("**Time.**")
    assert re.search(r"\d+ (seconds|minutes)", head[head.index("**Time.**") :])
    assert whole.index("## What this does not show") < whole.index("## References")
    following = [path for path in sources() if path.stem > source.stem][:1]
    assert all(path.with_suffix(".ipynb").name in text[-1] for path in following), "the last cell leads on"


@NOTEBOOKS
def test_first_code_cell_is_imports_and_constants(source):
    first = next(cell for cell in convert(source).cells if cell.cell_type == "code")
    exec(compile(first.source, source.name, "exec"), {"__name__": "__main__"})


def test_the_push_on_the_expert_has_one_name_and_is_cited_where_it_stands():
    texts = {source.stem[:2]: "\n".join(text_of(source)) for source in sources()}
    assert "push on the expert" in texts["03"]
    assert r"c_{\mathrm{expert}} = (1 - \alpha)" in texts["03"]
    assert "push on the expert of tutorial 3" in texts["05"]
    assert re.search(r"Its push is what is left over[^.]*\(tutorial 3\)", texts["06"])
    assert not [number for number, text in texts.items() if re.search(r"\bpull(s|ed)?\b", text)]


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A folder with the first notebook, as the build finds it."""
    first = sources()[0]
    for path in (first, first.with_suffix(".ipynb")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("course.build.TUTORIALS", tmp_path)
    return tmp_path / first.name


def test_where_only_the_text_has_changed_the_outputs_are_kept(copied):
    before = stored(copied)
    copied.write_text(copied.read_text().replace("# # GRPO in twenty lines", "# # Another title"))
    main(["--text", "00"])
    after = stored(copied)
    assert after.cells[0].source.startswith("# Another title")
    assert after.cells[1:] == before.cells[1:]


def test_changed_code_keeps_no_outputs(copied):
    copied.write_text(copied.read_text().replace("manual_seed(8)", "manual_seed(9)"))
    with pytest.raises(ValueError, match=r"00_\w+: expected the stored code\. Fix"):
        main(["--text", "00"])
