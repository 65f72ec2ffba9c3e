"""What is stored: each notebook equals its text form, holds the outputs of a run, and has the parts of a lesson."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from course.build import EXTRAS, REPOSITORY, SIZE_LIMIT, TUTORIALS, convert, main, sources
from course.links import anchor, entries, link_first_uses, link_papers_and_notebooks, words
from test_exercises import first_code

NOTEBOOKS = pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)


def stored(source):
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def printed(number):
    """All that the cells of a stored notebook print."""
    (source,) = sources([number])
    return "".join(output.get("text", "") for cell in stored(source).cells for output in cell.get("outputs", []))


def text_of(source):
    return [cell.source for cell in convert(source).cells if cell.cell_type == "markdown"]


def test_every_stored_notebook_has_a_source():
    assert {path.stem for path in TUTORIALS.glob("*.ipynb")} == {path.stem for path in sources()}


@NOTEBOOKS
def test_stored_notebook_is_what_its_source_says(source):
    def written(notebook):
        return notebook.metadata, [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]

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
def test_no_text_stands_in_a_cells_marker_where_no_reader_sees_it(source):
    assert [cell.metadata["title"] for cell in convert(source).cells if "title" in cell.metadata] == []


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
    first = first_code(convert(source).cells)
    exec(compile(first.source, source.name, "exec"), {"__name__": "__main__"})


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A folder with the first notebook, as the build finds it."""
    first, *others = sources()
    for path in (first, first.with_suffix(".ipynb"), *others):
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


@NOTEBOOKS
def test_each_notebook_leads_to_the_contents_its_neighbours_the_glossary_and_colab(source):
    head, contents = convert(source).cells[0].source, (TUTORIALS / "README.md").read_text(encoding="utf-8")
    every = [path.stem for path in sources()]
    place = every.index(source.stem)
    neighbours = [every[other] for other in (place - 1, place + 1) if 0 <= other < len(every)]
    for page in ["README.md", "glossary.md", *(f"{stem}.ipynb" for stem in neighbours)]:
        assert f"]({page})" in head
    colab = f"](https://colab.research.google.com/github/{REPOSITORY}/blob/main/tutorials/{source.stem}.ipynb)"
    assert colab in head
    assert colab in contents


def test_the_repository_is_that_of_the_project():
    project = tomllib.loads((TUTORIALS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"]["Repository"] == f"https://github.com/{REPOSITORY}"
    assert all(extra in project["optional-dependencies"] for extras in EXTRAS.values() for extra in extras.split(","))


def test_in_colab_one_cell_gets_a_checkout_and_installs_it(tmp_path, monkeypatch):
    (tmp_path / "checkout" / "tutorials").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    ran = []
    monkeypatch.setattr("subprocess.run", lambda command, **options: ran.append((command, options)))
    (cell,) = [cell for cell in convert(sources()[9]).cells if "colab" in cell.metadata.get("tags", [])]
    exec(cell.source, {})
    ((command, options),) = ran
    assert command.startswith(f"git clone --quiet --depth 1 https://github.com/{REPOSITORY} checkout && ")
    assert command.endswith("-m pip install --quiet --editable 'checkout[toy,train]'")
    assert options == {"shell": True, "check": True}
    assert Path.cwd() == tmp_path / "checkout" / "tutorials"
    assert sys.path == [str(Path.cwd()), str(tmp_path / "checkout")]


def test_elsewhere_the_cell_for_colab_does_nothing(monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("not in Colab"))
    cell = convert(sources()[0]).cells[1]
    exec(cell.source, {})
    assert cell.metadata["tags"] == ["colab", "hide-input"]


@pytest.mark.slow
def test_all_notebooks_but_the_ninth_need_the_extra_of_the_toy_alone():
    """What only the other extras install cannot be imported; the imports of the notebooks and of their checks can."""
    project = tomllib.loads((TUTORIALS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        name: {re.split(r"[>=]", one)[0] for one in extra} for name, extra in project["optional-dependencies"].items()
    }
    absent = sorted(name.replace("-", "_") for name in extras["train"] - extras["toy"] - {"pillow", "pyyaml"})
    cells = [first_code(convert(source).cells).source for source in sources() if source.name[:2] not in EXTRAS]
    checks = [f"import course.checks.t{source.name[:2]}" for source in sources() if source.name[:2] not in EXTRAS]
    code = "\n".join([f"import sys\nsys.modules.update(dict.fromkeys({absent}))", *cells, *checks])
    environment = os.environ | {"PYTHONPATH": f"{TUTORIALS}{os.pathsep}{TUTORIALS.parent}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@NOTEBOOKS
def test_code_that_draws_is_folded_and_code_that_computes_is_not(source):
    for cell in convert(source).cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and "colab" not in tags:
            folded = "hide-input" in tags
            assert folded == ("panels(" in cell.source or cell.metadata.get("jupyter", {}).get("source_hidden", False))
            assert not folded or not re.search(r"\btrain(_grid)?\(", cell.source), cell.source


@NOTEBOOKS
def test_a_figure_has_its_caption_below_it(source):
    for cell in stored(source).cells:
        shown = [output for output in cell.get("outputs", []) if output.output_type == "display_data"]
        for picture, caption in zip(shown[::2], shown[1::2], strict=True):
            assert caption.data["text/markdown"] == f"*{picture.metadata['image/png']['alt']}*"


@NOTEBOOKS
def test_each_reference_can_be_followed(source):
    references = convert(source).cells[-1].source.partition("## References")[2] or text_of(source)[-1]
    items = re.split(r"(?m)^- ", references)[1:]
    assert items
    assert [item for item in items if not re.search(r"\]\([^)]+\)", item)] == []


SPOKEN = re.compile(r"(?<![\w.,])(\d+\.\d+|\d+(?:\.\d+)?(?= %))(?!\w)")  # 0.95, or the 7 of 7 %
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")
NOT_PROSE = re.compile(
    r"```.*?```|^- \([abc]\).*?$|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|arXiv:\S+|^#.*?$|<[^>]*>",
    re.DOTALL | re.MULTILINE,
)
FROM_ELSEWHERE = {
    ("00", "1.5"): "an example",
    ("02", "0.10000000000000009"): "Python's 1.1 - 1.0",
    ("07", "0.001"): "tests/core/test_golden.py",
    ("08", "0.1"): "course/bugs.py",
    ("09", "2.2"): "millions of parameters: full_scale/README.md",
    ("10", "1.05"): "notebook 7",
    ("10", "0.92"): "notebook 6",
    ("10", "0.68"): "notebook 1",
    ("11", "70"): "an example",
}
"""Notebook and number -> where it is from, if not from the notebook itself."""


def numbers_of(source):
    """Each number that a notebook's prose speaks of, and whether a cell above or the one below shows it."""
    cells = stored(source).cells
    written = {number for cell in cells if cell.cell_type == "code" for number in NUMBER.findall(cell.source)}
    printed = [
        {n for output in cell.get("outputs", []) for n in NUMBER.findall(output.get("text", ""))} for cell in cells
    ]
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            written |= {n for part in re.findall(r"\$[^$]*\$|`[^`]*`", cell.source) for n in NUMBER.findall(part)}
            text = NOT_PROSE.sub(" ", cell.source.partition("## What this does not show")[0])
            below = next((n for n, c in enumerate(cells) if n > place and c.cell_type == "markdown"), len(cells))
            known = written.union(*printed[:below])
            for found in SPOKEN.finditer(text):
                digits, scales = len(found[1].partition(".")[2]), (1, 100) if text[found.end() :][:2] == " %" else (1,)
                shown = {round(float(n) * scale, digits) for n in known for scale in scales}
                yield found[1], float(found[1]) in shown


@NOTEBOOKS
def test_every_number_of_the_prose_comes_from_a_cell(source):
    invented = {number for number, shown in numbers_of(source) if not shown}
    assert invented == {number for notebook, number in FROM_ELSEWHERE if notebook == source.name[:2]}


@pytest.mark.parametrize(
    ("number", "where"),
    [(number, int(of.split()[1])) for (_, number), of in FROM_ELSEWHERE.items() if of.startswith("notebook ")],
)
def test_a_number_from_another_notebook_is_there(number, where):
    shown = re.findall(r"\d\.\d+", printed(f"{where:02d}"))
    assert any(round(float(found), 2) == float(number) for found in shown)


def test_every_word_of_the_glossary_is_explained_where_it_says():
    texts = {source.stem: "\n".join(text_of(source)).lower() for source in sources()}
    cited = [(word, stem) for word, text in entries().items() for stem in re.findall(r"\((\d\d_\w+)\.ipynb\)", text)]
    assert len(cited) >= 30
    assert [pair for pair in cited if not any(word.lower() in texts[pair[1]] for word in words(pair[0]))] == []


def test_every_word_of_the_glossary_stands_in_alphabetical_order():
    assert list(entries()) == sorted(entries(), key=str.lower)


@NOTEBOOKS
def test_the_first_use_of_a_word_leads_to_the_glossary(source):
    text = "\n\n".join(text_of(source))
    found = re.findall(r"\[([^\]]+)\]\(glossary\.md#([\w-]+)\)", text)
    assert len(found) >= 5
    assert len({place for _, place in found}) == len(found)
    assert {place for _, place in found} <= {anchor(heading) for heading in entries()}
    assert all(word in words(heading) for word, place in found for heading in entries() if anchor(heading) == place)


def test_no_word_is_linked_in_code_formulas_links_and_headings():
    left_alone = "# The gap\n`gap` $gap$ [gap](x.md) <b gap>\n```python\ngap\n```\n"
    assert link_first_uses([left_alone, "the gaps, gap."])[1] == "the gaps, [gap](glossary.md#gap)."
    assert link_first_uses([left_alone])[0] == left_alone
    assert link_papers_and_notebooks("[tutorial 1](x) `arXiv:2602.20197`", {}) == "[tutorial 1](x) `arXiv:2602.20197`"


CITED = {
    "05": ("03", "push on the expert"),
    "06": ("03", "push on the expert"),
    "08": ("02", "quadrant"),
    "10": ("06", "executed"),
}
"""Notebook -> a notebook that it cites as "tutorial N", and what must stand there."""


def test_what_is_cited_stands_in_the_tutorial_that_is_cited():
    texts = {source.stem[:2]: "\n".join(text_of(source)) for source in sources()}
    for citing, (cited, term) in CITED.items():
        assert re.search(rf"tutorial {int(cited)}\]", texts[citing])
        assert term in texts[cited]
    assert r"c_{\mathrm{expert}} = (1 - \alpha)" in texts["03"]


def test_a_push_has_one_name():
    texts = {source.stem[:2]: "\n".join(text_of(source)) for source in sources()}
    other = re.compile(r"\bpull(s|ed)?\b|\bnet weights?\b|\bnet pushes\b")
    assert [number for number, text in texts.items() if other.search(text)] == []
