"""The pages: formulas become MathML, code is left alone, nothing is fetched; the index leads everywhere."""

import re
import shutil

import pytest
from course.build import TUTORIALS, sources
from course.site import set_formulas, write_site

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return write_site(tmp_path_factory.mktemp("site"), run=False).parent


def visible_text(page):
    """Return a page's text without code, outputs and scripts."""
    body = re.sub(r"<style>.*?</style>|<pre.*?</pre>|<code.*?</code>|<img[^>]*>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", "", body)


def test_formulas_become_mathml():
    text = set_formulas(r"so $x$ and $$\alpha x$$ end")
    assert text.startswith("so <math")
    assert text.count("<math") == 2
    assert "$" not in text


@pytest.mark.parametrize("code", ["`$HOME`, `$x`", "```python\nprint('$a$')\n```", "5 $ or 6 $"])
def test_what_is_no_formula_is_left_alone(code):
    assert set_formulas(code) == code


def test_there_is_a_page_for_everything(site):
    expected = {"index.html", "glossary.html", "cheat_sheet.html", *(f"{source.stem}.html" for source in sources())}
    assert {path.name for path in site.iterdir()} == expected


def test_no_raw_latex_is_left_and_nothing_is_fetched(site):
    for path in site.iterdir():
        page = path.read_text(encoding="utf-8")
        assert not re.search(r"\\(frac|operatorname|log|pi|alpha|lambda|left|mathrm|sum)\b|\$\$", visible_text(page)), (
            path
        )
        assert not re.search(r'(src|href)="https?://[^"]+\.(js|css|woff2?)', page), path
        assert 'src="http' not in page, path


def test_links_between_pages_lead_to_pages(site):
    for path in site.iterdir():
        for target in re.findall(r'href="([^":#]+)(?:#[^"]*)?"', path.read_text(encoding="utf-8")):
            assert (site / target).exists(), f"{path.name}: {target}"


def test_the_index_lists_every_tutorial_in_order():
    listed = re.findall(r"\((\d\d_\w+)\.ipynb\)", (TUTORIALS / "README.md").read_text(encoding="utf-8"))
    assert listed == [source.stem for source in sources()]


@pytest.mark.skipif(BROWSER is None, reason="no chromium to lay the pages out")
@pytest.mark.parametrize("width", [1000, 390])
def test_no_page_is_wider_than_the_window(site, width):
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=flags)
        page = browser.new_page(viewport={"width": width, "height": 800})
        for path in sorted(site.iterdir()):
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        browser.close()
