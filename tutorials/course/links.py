"""Links that every notebook gets: a word's first use leads to the glossary, a paper or a notebook to itself."""

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[1] / "glossary.md"

# Where nothing is linked: code, formulas, links, headings, comments and tags of HTML.
_LEFT_ALONE = re.compile(
    r"(```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|!?\[[^\]]*\]\([^)]*\)|^#.*?$|<summary>.*?</summary>|<!--.*?-->|<[^>]*>)",
    re.DOTALL | re.MULTILINE,
)
_PAPER = re.compile(r"arXiv:(\d{4}\.\d{5})")
_NOTEBOOK = re.compile(r"\b(?:[Tt]utorial|[Nn]otebook) (\d+)\b")


def entries() -> dict[str, str]:
    """Return heading -> text of each entry, in the page's order."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))


def anchor(heading: str) -> str:
    """Return the address of an entry on its page, as GitHub and MyST make it from the heading.

    Example:
        >>> anchor("alpha, slope")
        'alpha-slope'
    """
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def words(heading: str) -> list[str]:
    """Return the words that one entry explains.

    Example:
        >>> words("alpha, slope")
        ['alpha', 'slope']
    """
    return heading.split(", ")


def link_papers_and_notebooks(text: str, notebooks: Mapping[int, str]) -> str:
    """Return a Markdown text in which ``arXiv:2602.20197`` and ``tutorial 3`` can be followed.

    Args:
        text: of one cell.
        notebooks: number -> file of each notebook.

    Example:
        >>> link_papers_and_notebooks("see tutorial 3", {3: "03_gate.ipynb"})
        'see [tutorial 3](03_gate.ipynb)'
    """
    parts = _LEFT_ALONE.split(text)
    for place in range(0, len(parts), 2):
        part = _PAPER.sub(r"[\g<0>](https://arxiv.org/abs/\1)", parts[place])
        parts[place] = _NOTEBOOK.sub(lambda found: f"[{found[0]}]({notebooks[int(found[1])]})", part)
    return "".join(parts)


def link_first_uses(texts: list[str]) -> list[str]:
    """Return Markdown texts in which the first use of each of the glossary's words is a link to its entry.

    Args:
        texts: the cells of one notebook, in order.
    """
    for heading in entries():
        word = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, words(heading)))})(?![\w-])")
        texts = _link_once(texts, word, f"glossary.md#{anchor(heading)}")
    return texts


def _link_once(texts: list[str], word: re.Pattern[str], address: str) -> list[str]:
    for place, text in enumerate(texts):
        parts = _LEFT_ALONE.split(text)
        for part in range(0, len(parts), 2):
            parts[part], found = word.subn(lambda match: f"[{match[0]}]({address})", parts[part], count=1)
            if found:
                return [*texts[:place], "".join(parts), *texts[place + 1 :]]
    return texts
