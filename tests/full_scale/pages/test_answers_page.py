"""The page of answers: what it shows, that it is self-contained and escaped, and that its filters work."""

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest

from full_scale.data.verdicts import Verdict
from full_scale.model.answers import Answer
from full_scale.pages.answers_page import inline_picture, write_answers_page
from full_scale.pages.tables import PageTable
from full_scale.problems.code_task import Case, CodeTask
from full_scale.problems.problem import Problem
from full_scale.problems.ways import Ways

CHOICES = {"choices": ("50°", "65°"), "answer": "65°", "answer_letter": "B"}
SQUARE = PIL.Image.new("RGB", (900, 300), "white")
PROBLEMS = [
    Problem(id="p1", source="geometry3k", question="Find <x> & y", images=(SQUARE,), category="angle", **CHOICES),
    Problem(id="p2", source="geometry3k", question="Find z", images=(SQUARE, SQUARE), **CHOICES),
    Problem(id="p3", source="gsm8k", question="How many apples?", answer="7"),
]


def answer(text):
    return Answer(f"<think>t</think><answer>{text}</answer>", length=9, entropy=0.25, log_prob=-1.0, finished=True)


ANSWERS = [
    [answer("65"), answer("B")],
    [answer("50"), answer("1")],
    [answer("7"), Answer("</script><b>7", 3, 1.5, -2.0, finished=False)],
]


@pytest.fixture
def page(tmp_path):
    file = tmp_path / "answers.html"
    tables = [PageTable("Summary <1>", ("set", "accuracy"), [("a & b", "50 %")], note="Mind the gap.")]
    write_answers_page(file, "Answers & verdicts", PROBLEMS, ANSWERS, labels=("before", "after"), tables=tables)
    return file


def cards(page):
    return re.findall(r"<article.*?</article>", page.read_text(), re.DOTALL)


def test_it_shows_question_choices_truth_responses_and_both_verdicts(page):
    first, second, third = cards(page)
    assert "Find &lt;x&gt; &amp; y" in first
    assert "<b>A</b> 50°" in first
    assert "Right answer: <b>B: 65°</b>" in first
    assert first.count('class="response right"') == 2
    assert first.count("official scoring: wrong") == 1  # a letter is not the choice's text there
    assert 'data-outcome="every"' in first
    assert " data-differs" in first
    assert second.count("<img") == 2
    assert 'data-outcome="none"' in second
    assert " data-differs" not in second
    assert "<img" not in third
    assert 'data-outcome="some"' in third
    assert "3 tokens, 1.50 nats/token, cut at the longest length, format not kept" in third
    assert "after:" in third
    assert "Summary &lt;1&gt;" in page.read_text()
    assert "a &amp; b" in page.read_text()


def test_a_program_is_shown_with_the_shown_test_that_it_fails_and_no_hidden_one(tmp_path):
    cases = (Case(given="[1]", wanted="[2]", shown=True), Case(given="[77]", wanted="[154]"))
    asked = Problem(
        id="c", source="s", question="Double.", answer="def f(x):\n    return [2 * i for i in x]",
        task=CodeTask(function="f", cases=cases),
    )  # fmt: skip
    programs = ["def f(x):\n    return x", "def f(x):\n    return [2]", asked.answer]
    write_answers_page(tmp_path / "page.html", "Programs", [asked], [[answer(text) for text in programs]])
    (card,) = cards(tmp_path / "page.html")
    assert "def f(x):\n    return x&lt;/answer&gt;" in card
    assert "fails f([1]) == [2]: it returned [1]" in card
    assert "passes the shown tests, fails a hidden one" in card
    assert "passes all 2 tests" in card
    assert "77" not in card


def test_the_filters_say_how_many_problems_they_leave(tmp_path):
    file = tmp_path / "page.html"
    problems, answers = [PROBLEMS[1], *PROBLEMS], [ANSWERS[1], *ANSWERS]
    write_answers_page(file, "t", problems, answers)
    counts = dict(re.findall(r'<option value="(every|some|none|differs)"[^>]*>[^<]*\((\d+)\)', file.read_text()))
    assert counts == {"every": "1", "some": "1", "none": "2", "differs": "1"}


def test_the_way_of_a_response_is_said_where_the_problem_tells_ways_apart(tmp_path):
    problem = replace(PROBLEMS[2], ways=Ways(sound="look", shortcut="t"))
    write_answers_page(tmp_path / "a.html", "t", [problem], [ANSWERS[2]])
    (card,) = cards(tmp_path / "a.html")
    assert "takes t</span>" in card
    assert "takes no way</span>" in card


def test_texts_of_model_and_data_are_escaped(page):
    assert "&lt;/script&gt;&lt;b&gt;7" in page.read_text()
    assert page.read_text().count("</script>") == 1


HOSTILE = (
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 2'>",
    "<svg onload=window.hit=3>",
    '"><b onmouseover="window.hit = 4">x</b>',
    "{{ 7 * 7 }}{% raw %}",
    "<iframe src='javascript:parent.hit = 5'></iframe>",
    "<style>body { display: none }</style>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<base href='https://example.org/'><a href='x'>y</a>",
    "<!--",
    "]]>",
    "</article></body></html>",
    "\u202egnp.exe",
    "\x00\x07",
)
"""What a model may answer, and a data set may hold."""


def hostile_page(file):
    problems = [
        Problem(
            id=f"{number}{text}", source=text, question=text, images=(SQUARE,), category=text, answer=text,
            choices=(text, text), answer_letter="A",
        )
        for number, text in enumerate(HOSTILE)
    ]  # fmt: skip
    answers = [[Answer(text, length=1, entropy=0.1, log_prob=-1.0, finished=True)] for text in HOSTILE]
    verdicts = [[Verdict(correct=False, official=None, well_formed=False)] for _ in HOSTILE]
    table = PageTable(HOSTILE[0], HOSTILE[:2], [HOSTILE[:2]], note=HOSTILE[1])
    texts = {"labels": [HOSTILE[1]], "introduction": HOSTILE[0], "tables": [table]}
    write_answers_page(file, HOSTILE[0], problems, answers, verdicts=verdicts, **texts)
    return file


def test_no_hostile_text_becomes_an_element(tmp_path):
    text = hostile_page(tmp_path / "a.html").read_text()
    assert text.count("<script") == text.count("</script>") == 1
    assert len(re.findall("<article", text)) == len(HOSTILE)
    assert len(re.findall(r"<img (?!loading)|<svg|<iframe|<base|<b on|<meta http-equiv=refresh", text)) == 0
    assert text.count("<style>") == 1
    assert "49" not in re.findall(r"<p class=.question.>(.*?)</p>", text)[4]


def test_it_is_self_contained(page):
    text = page.read_text()
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in text


def test_pictures_are_shrunk_pngs(page):
    uri = inline_picture(SQUARE, 320)
    decoded = PIL.Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert (decoded.format, decoded.size) == ("PNG", (320, 107))
    assert uri in page.read_text()
    noise = PIL.Image.effect_noise((2000, 2000), 90).convert("RGB")
    assert len(inline_picture(noise, 320)) < 100_000


def test_given_verdicts_are_shown_as_they_are(tmp_path):
    verdicts = [[Verdict(correct=False, official=True, well_formed=True)]]
    write_answers_page(tmp_path / "a.html", "t", PROBLEMS[:1], [[answer("65")]], verdicts=verdicts)
    (card,) = cards(tmp_path / "a.html")
    assert 'class="response wrong"' in card
    assert "official scoring: right" in card


def test_a_limit_is_said(tmp_path):
    write_answers_page(tmp_path / "a.html", "t", PROBLEMS, ANSWERS, limit=2)
    assert len(cards(tmp_path / "a.html")) == 2
    assert "The first 2 of 3 problems." in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("problems", "answers", "labels", "message"),
    [
        ([], [], None, "problems is empty"),
        (PROBLEMS, ANSWERS[:2], None, "answers are of 2 problems, problems are 3"),
        (PROBLEMS, [*ANSWERS[:2], ANSWERS[2][:1]], None, r"answers per problem are \[1, 2\]"),
        (PROBLEMS, ANSWERS, ["one"], "labels are 1, answers per problem 2"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, problems, answers, labels, message):
    with pytest.raises(ValueError, match=message):
        write_answers_page(tmp_path / "a.html", "t", problems, answers, labels=labels)
    assert not (tmp_path / "a.html").exists()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine: the page's filters are tested in a real browser only")
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=flags)
        yield chromium
        chromium.close()


def test_hostile_answers_run_nothing_in_a_browser(browser, tmp_path):
    tab = browser.new_page()
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(hostile_page(tmp_path / "a.html").as_uri())
    tab.mouse.move(200, 200)
    tab.wait_for_timeout(300)
    assert tab.evaluate("typeof window.hit") == "undefined"
    assert tab.locator("article:visible").count() == len(HOSTILE)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert tab.url.startswith("file:")
    shown = tab.locator(".response .text").all_inner_texts()
    assert shown[:9] == list(HOSTILE[:9])
    # were something not escaped, the page's policy would still keep it from running
    tab.evaluate("""() => {
        const added = document.createElement("div");
        added.innerHTML = "<img src=x onerror='window.hit = 6'>";
        document.body.append(added);
        const script = document.createElement("script");
        script.textContent = "window.hit = 7";
        document.body.append(script);
    }""")
    tab.wait_for_timeout(300)
    assert tab.evaluate("typeof window.hit") == "undefined"


def test_filters_in_a_browser(browser, page):
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    messages = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.goto(Path(page).as_uri())

    def shown():
        return tab.locator("article:visible .meta").all_inner_texts()

    assert len(shown()) == 3
    tab.select_option("#outcome", "some")
    assert [text.split("\n")[0] for text in shown()] == ["p3"]
    tab.select_option("#outcome", "differs")
    assert [text.split("\n")[0] for text in shown()] == ["p1"]
    tab.select_option("#outcome", "")
    tab.select_option("#category", "geometry3k: all")
    assert [text.split("\n")[0] for text in shown()] == ["p2"]
    tab.select_option("#category", "")
    tab.fill("#search", "APPLES")
    assert [text.split("\n")[0] for text in shown()] == ["p3"]
    assert tab.inner_text("#shown") == "1 of 3 shown"
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert messages == []
