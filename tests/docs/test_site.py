"""The site: built without a warning, readable offline and on a phone; links lead somewhere; no name is missing."""

import html
import re
import runpy
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urldefrag

import pytest
from course.build import TUTORIALS, sources
from fontTools.ttLib import TTFont
from formulas import FORMULAS

import calibrl_ref

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
BUILD = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html", "-c", ROOT / "docs"]


class Links(HTMLParser):
    """Collects what a page refers to, what it loads, and the places that can be referred to."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.loaded, self.places = [], [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places |= {found.get("id"), found.get("name")}
        if tag == "a":
            self.targets.append(found.get("href") or "")
        else:
            self.loaded += [found[name] for name in ("src", "href") if found.get(name) and tag != "link"]
            self.loaded += [found["href"]] if tag == "link" and "stylesheet" in found.get("rel", "") else []


@pytest.fixture(scope="session")
def site(once):
    def build(out):
        done = subprocess.run([*BUILD, ROOT, out / "html"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return once("site", build) / "html"


@pytest.fixture(scope="module")
def pages(site):
    """Path of each page from the site's top -> its links; the lists of code and of names are left out."""
    found = {path.relative_to(site): path for path in sorted(site.rglob("*.html"))}
    return {
        name: Links(path.read_text(encoding="utf-8")) for name, path in found.items() if name.parts[0] != "_modules"
    }


def test_there_is_a_page_for_everything(site):
    expected = ["index", "README", "CONTRIBUTING", "CHANGELOG", "full_scale/README", "tutorials/glossary"]
    expected += [f"docs/{path.stem}" for path in (ROOT / "docs").glob("*.md")]
    expected += [f"tutorials/{source.stem}" for source in sources()]
    assert [name for name in expected if not (site / f"{name}.html").exists()] == []


def test_every_link_of_the_site_leads_somewhere(site, pages):
    broken = []
    for name, links in pages.items():
        for address in {*links.targets, *links.loaded}:
            if re.match(r"(https?|mailto|data):", address):
                continue
            path, place = urldefrag(unquote(re.sub(r"\?[^#]*", "", address)))  # ?v=... is the sheet's checksum
            target = (site / name.parent / path).resolve() if path else site / name
            known = pages.get(target.relative_to(site.resolve())) if target.is_relative_to(site.resolve()) else None
            if not target.exists() or (place and known and place not in known.places):
                broken.append(f"{name}: {address}")
    assert broken == []


def test_the_live_page_is_opened_as_it_is(site, pages):
    assert (site / "live.html").read_bytes() == (ROOT / "docs" / "live.html").read_bytes()
    assert "live.html" in pages[Path("index.html")].targets
    assert "../live.html" in pages[Path("docs/toy_findings.html")].targets


def test_the_live_page_stands_on_the_front_page(site, pages):
    page = (site / "index.html").read_text(encoding="utf-8")
    frame = page.index('<iframe class="live" src="live.html"')
    assert page.index('href="live.html"') < frame < page.index("<h2>")
    assert all(
        'class="live"' not in (site / name).read_text(encoding="utf-8") for name in pages if name.parent != Path()
    )


def test_nothing_is_fetched_to_show_a_page(pages):
    fetched = {(str(name), address) for name, links in pages.items() for address in links.loaded if "//" in address[:8]}
    assert fetched == set()


def visible_text(page):
    """A page's text without code, outputs and scripts."""
    parts = r"<(style|script|pre|code|annotation).*?</\1>|<img[^>]*>|<[^>]+>"
    return re.sub(parts, "", page, flags=re.DOTALL)


def test_formulas_are_laid_out_by_the_browser(site):
    page = (site / "docs" / "formulas.html").read_text(encoding="utf-8")
    assert page.count("<math") >= len(FORMULAS)
    for path in [site / "docs" / "formulas.html", *(site / "tutorials").glob("*.html")]:
        text = visible_text(path.read_text(encoding="utf-8"))
        assert not re.search(r"\\(frac|operatorname|log|pi|alpha|lambda|left|mathrm|sum)\b|\$\$", text), path


@pytest.fixture(scope="module")
def math_font(site):
    """The file of the family that the style sheet names first for formulas."""
    styles = site / "_static" / "site.css"
    text = styles.read_text(encoding="utf-8")
    family = re.search(r"(?m)^math \{\n +font-family: (\"[^\"]+\")", text)[1]
    address = re.search(rf'@font-face \{{\n +font-family: {family};\n +src: url\("([^"]+)"\)', text)[1]
    return styles.parent / address


def test_the_font_of_the_formulas_is_shipped_beside_the_page(site, math_font):
    assert math_font.is_relative_to(site)
    assert math_font.stat().st_size < 200_000
    font = TTFont(math_font)
    assert "MATH" in font
    assert "Open Font License" in font["name"].getDebugName(13)
    italic = [*map(ord, "𝑎𝑧𝐴𝑍𝛼𝜔𝜋"), 0x210E]  # a letter alone is set in italics; Planck's h stands apart from them
    assert [chr(letter) for letter in italic if letter not in font.getBestCmap()] == []


def test_the_font_of_the_formulas_has_all_their_letters(site, math_font):
    known = TTFont(math_font).getBestCmap()
    for path in site.rglob("*.html"):
        for formula in re.findall(r"<math.*?</math>", path.read_text(encoding="utf-8"), re.DOTALL):
            letters = html.unescape(re.sub(r"<[^>]+>", "", formula))
            assert [letter for letter in letters if letter != "\n" and ord(letter) not in known] == [], path


def test_the_browser_sets_formulas_in_the_shipped_font(site, chromium):
    page = chromium.new_page()
    page.goto((site / "docs" / "formulas.html").as_uri())
    page.evaluate("document.fonts.ready")
    tools = page.context.new_cdp_session(page)
    tools.send("DOM.enable")
    tools.send("CSS.enable")
    root = tools.send("DOM.getDocument")["root"]["nodeId"]
    for element in tools.send("DOM.querySelectorAll", {"nodeId": root, "selector": "math"})["nodeIds"]:
        fonts = tools.send("CSS.getPlatformFontsForNode", {"nodeId": element})["fonts"]
        assert [font["familyName"] for font in fonts if not font["isCustomFont"]] == []


def test_a_formula_leads_to_its_functions_reference(pages):
    targets = pages[Path("docs/formulas.html")].targets
    missing = [
        name for name, formula in FORMULAS.items() if formula.module == "calibrl_ref" and not reached(name, targets)
    ]
    assert missing == []


def reached(name, targets):
    function = name.partition("(")[0]
    return any(re.fullmatch(rf"api/calibrl_ref\.\w+\.html#calibrl_ref\.\w+\.{function}", target) for target in targets)


def test_tutorials_show_their_stored_outputs(site):
    for source in sources():
        page = (site / "tutorials" / f"{source.stem}.html").read_text(encoding="utf-8")
        assert 'class="output' in page or "cell_output" in page, source


def test_the_reference_shows_types(site):
    page = re.sub(r"<[^>]+>", "", (site / "docs/api/calibrl_ref.calibration.html").read_text(encoding="utf-8"))
    assert re.search(r"policy_log_prob \(Float\[Tensor, .\*shape.\]\)", page)


@pytest.fixture
def settings(monkeypatch):
    """The functions of docs/conf.py, and the warnings that they give."""
    found = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    warnings = []
    log = SimpleNamespace(warning=lambda message, *values: warnings.append(message % values))
    monkeypatch.setitem(found["require_documentation"].__globals__, "getLogger", lambda name: log)
    return SimpleNamespace(**found, warnings=warnings)


def environment(*names):
    domain = SimpleNamespace(get_objects=lambda: [(f"calibrl_ref.module.{name}", name) for name in names])
    return SimpleNamespace(get_domain=lambda name: domain)


def test_a_public_name_without_documentation_is_a_warning(settings):
    _, *rest = calibrl_ref.__all__
    settings.require_documentation(None, environment(*rest))
    assert settings.warnings == [f"calibrl_ref.{calibrl_ref.__all__[0]} has no documentation"]


def test_documented_names_are_no_warning(settings):
    settings.require_documentation(None, environment(*calibrl_ref.__all__))
    assert settings.warnings == []


def test_a_warning_fails_the_build(tmp_path):
    (tmp_path / "README.md").write_text("# Front\n\n[nowhere](missing.md)\n", encoding="utf-8")
    done = subprocess.run([*BUILD[:-1], tmp_path, tmp_path, tmp_path / "out"], capture_output=True, text=True)
    assert done.returncode != 0


def restructured(settings, kind, *lines):
    lines = list(lines)
    settings.restructure(None, kind, "", None, None, lines)
    return lines


def test_bars_and_tables_of_docstrings_survive(settings):
    lines = restructured(settings, "function", "|A|, ``|A|``.", "", "| a | b |", "|---|---|", "| 1 | 2 |", "")
    assert lines[0] == r"\|A\|, ``|A|``."
    table = [".. list-table::", ":header-rows: 1", "* - a", "- b", "* - 1", "- 2"]
    assert [line.strip() for line in lines[2:] if line] == table


def test_a_colon_in_what_is_returned_is_no_type(settings):
    lines = restructured(
        settings, "function", "Returns:", "    The gap: positive", "    or not.", "", "Raises:", "    E: x."
    )
    assert lines == [":returns: The gap: positive or not.", "", "Raises:", "    E: x."]


def test_a_colon_in_what_an_attribute_is_is_no_type(settings):
    assert restructured(settings, "property", "What it reads: a tensor.") == ["", "What it reads: a tensor."]


def test_the_index_of_the_course_lists_every_tutorial_in_order():
    listed = re.findall(r"\((\d\d_\w+)\.ipynb\)", (TUTORIALS / "README.md").read_text(encoding="utf-8"))
    assert listed == [source.stem for source in sources()]


@pytest.fixture(scope="module")
def chromium():
    if BROWSER is None:
        pytest.skip("no chromium to lay the pages out")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=flags)
        yield browser
        browser.close()


@pytest.mark.parametrize("card", ["cheat_card", "debug_card"])
def test_a_card_is_one_page_of_a4(site, chromium, card):
    page = chromium.new_page()
    page.goto((site / "tutorials" / f"{card}.html").as_uri())
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type */Page\b", printed)) == 1


def test_on_a_phone_a_table_becomes_blocks_with_the_names_of_its_columns(site, chromium):
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto((site / "tutorials" / "README.html").as_uri())
    cell = page.locator("table.docutils tbody tr td:nth-child(3)").first
    assert cell.evaluate("cell => getComputedStyle(cell).display") == "block"
    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"question: "'
    page.set_viewport_size({"width": 1280, "height": 800})
    assert cell.evaluate("cell => getComputedStyle(cell).display") == "table-cell"


def test_on_a_phone_what_a_check_says_is_wrapped_and_columns_are_not(site, chromium):
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto((site / "tutorials" / "00_grpo_in_twenty_lines.html").as_uri())
    wrapping = "output => getComputedStyle(output).whiteSpace"
    says = page.locator(".cell_output pre", has_text="not yet: ").first
    assert says.evaluate(wrapping) == "pre-wrap"
    assert says.evaluate("output => output.scrollWidth <= output.clientWidth")
    assert page.locator(".cell_output pre", has_text="noise of one group").evaluate(wrapping) == "pre"


def test_the_live_page_trains_within_the_front_page(site, chromium):
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto((site / "index.html").as_uri())
    live = page.frame_locator("iframe.live")
    live.get_by_role("button", name="to the end").click()
    live.get_by_text("600 of 600").wait_for(timeout=30_000)


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_window(site, pages, chromium, width):
    page = chromium.new_page(viewport={"width": width, "height": 800})
    for name in pages:
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
