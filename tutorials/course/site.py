"""Run the notebooks and show them as pages: ``python -m course.site`` in tutorials/ (``--stored``: do not run them).

The pages need no network: formulas become MathML, pictures are inside.
"""

import argparse
import html
import re
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader, select_autoescape
from latex2mathml.converter import convert as to_mathml
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from course.build import TUTORIALS, convert, execute, sources

PAGES = ("README", "glossary", "cheat_sheet")
OUT = TUTORIALS.parent / "runs" / "tutorials"

# fenced code, code spans, then displayed and inline formulas: the first two are left alone
_PARTS = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?=\S)([^$]+?)(?<=\S)\$(?!\d)", re.DOTALL)


def set_formulas(markdown: str) -> str:
    """Replace the formulas of a text by MathML; code is left alone."""

    def replaced(match: re.Match[str]) -> str:
        """Convert one formula."""
        code, displayed, inline = match.groups()
        if code:
            return code
        return to_mathml(displayed or inline, display="block" if displayed else "inline")

    return _PARTS.sub(replaced, markdown)


def page(notebook: NotebookNode, title: str) -> str:
    """Return a notebook as a web page."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = set_formulas(cell.source)
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    body = re.sub(r'href="([\w./]+)\.ipynb"', r'href="\1.html"', body)
    for name in PAGES:
        body = body.replace(f'href="{name}.md"', f'href="{_page_name(name)}"')
    body = body.replace('href="../', f'href="{TUTORIALS.parent.as_uri()}/')
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["jinja"]))
    return templates.get_template("page.html.jinja").render(title=title, body=body)


def _page_name(name: str) -> str:
    return "index.html" if name == "README" else f"{name}.html"


def write_site(out: Path, numbers: Sequence[str] = (), *, run: bool) -> Path:
    """Write the pages of the notebooks, the index, the glossary and the cheat sheet.

    Args:
        out: the folder, made if need be.
        numbers: two digits of each notebook; all if empty.
        run: execute the notebooks first, at full budget; else their stored outputs are shown.

    Returns:
        The index.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        text = nbformat.v4.new_markdown_cell((TUTORIALS / f"{name}.md").read_text(encoding="utf-8"))
        (out / _page_name(name)).write_text(page(nbformat.v4.new_notebook(cells=[text]), _title(text.source)), "utf-8")
    for source in sources(numbers):
        notebook = convert(source) if run else nbformat.read(source.with_suffix(".ipynb"), as_version=4)
        if run:
            cost = execute(notebook, budget="full")
            print(f"{source.stem}: {cost.wall:.0f} s")
        (out / f"{source.stem}.html").write_text(page(notebook, _title(notebook.cells[0].source)), "utf-8")
    return out / "index.html"


def _title(markdown: str) -> str:
    return html.unescape(markdown.splitlines()[0].removeprefix("# "))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages that the command line asks for, and open the index."""
    parser = argparse.ArgumentParser(prog="python -m course.site", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="two digits of each notebook, as 03; all if none is given")
    parser.add_argument("--stored", action="store_true", help="show the stored outputs, run nothing")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pages")
    options = parser.parse_args(arguments)
    index = write_site(options.out, options.numbers, run=not options.stored)
    print(f"open {index}")
    webbrowser.open(index.resolve().as_uri())


if __name__ == "__main__":
    main()
