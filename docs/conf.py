"""The site's settings: ``make docs`` builds it with Sphinx. The source folder is the checkout's root.

So a link between two files is the same on the site and in the repository. Nothing is fetched, when the site is built
nor when it is read: formulas become MathML, which browsers lay out themselves, in a math font that the site ships.
"""

import logging
import re
import shutil
from importlib.metadata import distribution
from pathlib import Path
from textwrap import indent

from docutils.nodes import Element, SkipNode
from fontTools.subset import Options, Subsetter, load_font, save_font
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger
from sphinx.writers.html5 import HTML5Translator

import calibrl_ref

project = "CalibRL-ref"
author = "The CalibRL-ref developers"
version = release = calibrl_ref.__version__
html_title = f"{project} {release}"

root_doc = "README"
include_patterns = ["*.md", "*/README.md", "docs/**", "tutorials/*.md", "tutorials/*.ipynb"]
exclude_patterns = [
    ".*",
    "calibrl_ref",
    "cli",
    "benchmarks",
    "toy/[a-z]*",
    "full_scale/[a-z]*",
    "tests",
    "runs",
    "mutants",
    "dist",
]
extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}

nb_execution_mode = "off"  # the outputs of a full run are stored; CI executes the notebooks on its own
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

apidoc_modules = [
    {
        "path": "../calibrl_ref",
        "destination": "docs/api",
        "separate_modules": True,
        "module_first": True,
        "max_depth": 3,
        "exclude_patterns": ["*/integrations/verl_*.py"],  # they import verl itself
        "automodule_options": {"members", "show-inheritance"},
    }
]
autodoc_default_options = {"member-order": "bysource", "ignore-module-all": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
napoleon_attr_annotations = True

html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_extra_path = ["live.html"]  # opened as it is, from the site's top
html_show_copyright = False

MATH_FONT = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")  # SIL Open Font License
MATH_LETTERS = (
    (0x20, 0x7E),
    (0xA0, 0xFF),  # Latin-1
    (0x370, 0x3FF),  # Greek
    (0x2000, 0x206F),  # spaces, primes
    (0x2100, 0x214F),  # letters that stand for something
    (0x2190, 0x22FF),  # arrows and operators
    (0x2308, 0x230B),  # floor and ceiling
    (0x1D434, 0x1D467),  # italic letters, in which a browser sets a letter alone
    (0x1D6E2, 0x1D71B),  # the Greek ones
)

_LIVE = re.compile(r"\[([^\]]+)\]\((?:docs/)?live\.html\)")
_SEE_LIVE = re.compile(r"^.*href=\"live\.html\".*$", re.MULTILINE)
_FUNCTION = re.compile(r"\[`(\w+)([^`]*)`\]\(\.\./calibrl_ref/(\w+)\.py\)")
_RETURNS = re.compile(r"^Returns:\n((?:    .*(?:\n|$))+)", re.MULTILINE)
_FUNCTION_NAME = re.compile(r"<mo>(\w{2,})</mo>")  # would keep its distance from its bracket
_LEADING_MINUS = re.compile(
    r"(<mo[^>]*>(?:&#x0003D;|&#x00028;|&#x0002C;|&#x02248;)</mo>(?:<mspace[^>]*/>)?)<mo>&#x02212;</mo>"
)
_TABLE = re.compile(r"(^\|.*\|$\n?)+", re.MULTILINE)  # of a docstring, as Markdown writes it

FRONT = """\
---
hide-toc: true
---
"""
EMBEDDED = '<iframe class="live" src="live.html" title="GRPO and CalibRL train side by side" loading="lazy"></iframe>'
CONTENTS = """
```{toctree}
:hidden:
:caption: Understand
:glob:

docs/formulas
docs/methods
docs/toy_findings
docs/shortcut_findings
docs/[!y]*
```

```{toctree}
:hidden:
:caption: Learn
:glob:

tutorials/README
tutorials/map
tutorials/[0-9]*
tutorials/glossary
tutorials/*_card
```

```{toctree}
:hidden:
:caption: Use
:glob:

docs/your_*
full_scale/README
toy/README
Reference <docs/api/modules>
CONTRIBUTING
CHANGELOG
```
"""


def prepare_page(_app: Sphinx, document: str, source: list[str]) -> None:
    """Give the front page its contents and the live page; let formulas and the live page be reached as they are."""
    source[0] = _LIVE.sub(rf'<a href="{"../" * document.count("/")}live.html">\1</a>', source[0])
    if document == root_doc:
        source[0] = FRONT + _SEE_LIVE.sub(rf"\g<0>\n\n{EMBEDDED}\n", source[0], count=1) + CONTENTS
    if document == "docs/formulas":
        source[0] = _FUNCTION.sub(r"{py:obj}`\1\2 <calibrl_ref.\3.\1>`", source[0])


def restructure(_app: Sphinx, kind: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Say in restructured text what a docstring says, before napoleon reads its sections.

    The bars of |A| would be a substitution, a table is Markdown's, and a colon in prose would end a type.
    """
    text = _TABLE.sub(_list_table, "\n".join(lines))
    text = _RETURNS.sub(lambda match: f":returns: {' '.join(match[1].split())}\n", text)
    parts = re.split(r"(``.*?``)", text, flags=re.DOTALL)
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    lines[:] = [*([""] if kind in {"attribute", "data", "property"} else []), *"".join(parts).split("\n")]


def _list_table(match: re.Match[str]) -> str:
    rows = [[cell.strip() for cell in line.strip(" |").split("|")] for line in match[0].splitlines()]
    cells = ("\n".join(f"{'  ' if place else '* '}- {cell}" for place, cell in enumerate(row)) for row in rows)
    body = "\n".join(row for row, line in zip(cells, match[0].splitlines(), strict=True) if "---" not in line)
    return ".. list-table::\n   :header-rows: 1\n\n" + indent(body, "   ") + "\n"


def write_formula(translator: HTML5Translator, node: Element) -> None:
    """Write a formula as MathML."""
    inline = node.tagname == "math"
    formula = convert(node.astext(), display="inline" if inline else "block")
    formula = _FUNCTION_NAME.sub(r'<mo lspace="0.17em" rspace="0">\1</mo>', formula)
    formula = _LEADING_MINUS.sub(r'\1<mo form="prefix">&#x02212;</mo>', formula)
    formula = formula.replace("<mi>log</mi>", '<mi>log</mi><mspace width="0.17em" />')
    formula = formula.replace("<mo>&#x0007C;</mo>", '<mo lspace="0" rspace="0" stretchy="false">|</mo>')
    translator.body.append(formula if inline else f'<div class="formula">{formula}</div>')
    raise SkipNode


def require_documentation(_app: Sphinx, environment: BuildEnvironment) -> None:
    """Warn of every public name that the reference lacks; a warning fails the build."""
    names = {name.rpartition(".")[2] for name, *_ in environment.get_domain("py").get_objects()}
    for name in sorted(set(calibrl_ref.__all__) - names):
        getLogger(__name__).warning("calibrl_ref.%s has no documentation", name)


def write_math_font(app: Sphinx, _error: Exception | None) -> None:
    """Write what formulas need of the math font beside the style sheet: a tenth of it, its licence included."""
    options = Options(flavor="woff", layout_features=["ssty"], hinting=False, name_IDs=["*"])
    font = load_font(str(MATH_FONT), options)
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells every glyph
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[letter for first, last in MATH_LETTERS for letter in range(first, last + 1)])
    subsetter.subset(font)
    save_font(font, str(Path(app.outdir) / "_static" / "math.woff"), options)


def copy_front_page(app: Sphinx, _error: Exception | None) -> None:
    """Let the site open at index.html, too."""
    if (front := Path(app.outdir) / "README.html").exists():
        shutil.copyfile(front, front.with_name("index.html"))


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.add_html_math_renderer("mathml", (write_formula, None), (write_formula, None))
    app.connect("source-read", prepare_page)
    app.connect("autodoc-process-docstring", restructure, priority=400)  # napoleon's is 500
    app.connect("env-check-consistency", require_documentation)
    app.connect("build-finished", write_math_font)
    app.connect("build-finished", copy_front_page)
