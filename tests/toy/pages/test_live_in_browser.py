"""The live page in a real browser: how it trains, reads, keeps its state, and works without a mouse."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from toy.__main__ import main
from toy.pages.live import METHODS, PRESETS, write_live

expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong

pytestmark = pytest.mark.slow

CURVES = "page.history.map((points) => points.map((point) => [point.entropy, point.accuracy, point.coverage]))"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_live(tmp_path_factory.mktemp("live") / "live.html")


@pytest.fixture
def visit(open_page, file):
    def page_of(address="", **options):
        return open_page(file, address, **options)

    return page_of


def curves(page):
    return np.array(page.evaluate(CURVES))


def set_slider(page, name, value):
    change = "(node, value) => { node.value = value; node.dispatchEvent(new Event('input')); }"
    page.locator(f"#{name}").evaluate(change, value)


def test_a_whole_training_is_the_toys(visit, trained):
    """600 steps, three seeds, to 1e-12; in QuickJS the engine is tested with all methods and settings."""
    page = visit()
    for seed in (0, 5, 31):
        page.evaluate(f"page.change({{ seed: {seed} }}); page.jump(600)")
        for own, method in zip(curves(page), ("grpo", "calibrl"), strict=True):
            wanted = np.stack(
                [trained("main", method)[name][:, seed] for name in ("entropy", "accuracy", "coverage")], 1
            )
            np.testing.assert_allclose(own[::300], wanted, rtol=0, atol=1e-12)


def seconds_of(page, work):
    """Seconds that the page's thread computes: on a busy machine a clock would measure the others."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    before = spent()
    work()
    return spent() - before


def test_it_answers_within_a_second_and_trains_both_methods_within_another(visit):
    page = visit()
    opened = seconds_of(page, lambda: (page.reload(), page.evaluate("byId('one').click()")))
    assert page.evaluate("page.comparison.step") == 1
    assert 0 < opened < 1
    trained = seconds_of(page, lambda: page.evaluate("(page.start(), byId('end').click())"))
    assert page.evaluate("page.comparison.step") == 600
    assert 0.01 < trained < 1


def test_one_screen_holds_trees_curves_and_controls(visit):
    page = visit()
    for name in ("#train", "#tree-left svg", "#tree-right svg", "#says-right", "#charts", "#sliders", "#presets"):
        box = page.locator(name).bounding_box()
        assert box["y"] >= 0, name
        assert box["y"] + box["height"] <= 800, name
    left, right = (page.locator(f"#tree-{side} svg").bounding_box() for side in ("left", "right"))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]


def test_training_runs_pauses_and_rewrites_its_sentences(visit):
    page = visit()
    before = page.locator("#says-right").inner_text()
    assert re.fullmatch(r"entropy 0\.68, accuracy 0\.49: 80\.0 % on shortcuts, 0\.5 % on sound ones\.", before)
    page.get_by_role("button", name="train", exact=False).first.click()
    page.wait_for_function("page.comparison.step > 30")
    page.get_by_role("button", name="pause", exact=False).click()
    step = page.evaluate("page.comparison.step")
    page.wait_for_timeout(150)
    assert page.evaluate("page.comparison.step") == step
    assert page.locator("#step").inner_text() == str(step)
    assert page.locator("#says-right").inner_text() != before
    page.get_by_role("button", name="to the end").click()
    expect(page.locator("#says-left")).to_contain_text("on shortcuts")
    expect(page.locator("#says-right")).to_contain_text("on sound paths")
    expect(page.locator("#status")).to_contain_text("Step 600. GRPO: entropy")
    page.get_by_role("button", name="start again").click()
    assert page.locator("#says-right").inner_text() == before
    assert page.locator("#charts .ghost").count() == 4  # two methods in two charts
    assert "lambda 0.1" in page.locator("#charts .ghost title").first.text_content()


def test_a_finding_is_in_the_address(visit):
    page = visit()
    set_slider(page, "slope", 1)
    set_slider(page, "seed", 3)
    page.evaluate("page.jump(40)")
    address = page.evaluate("location.hash")
    assert address == "#slope=1&seed=3&step=40"
    again = visit(address)
    assert again.evaluate("page.comparison.step") == 40
    np.testing.assert_array_equal(curves(again), curves(page))
    again.evaluate("location.hash = '#method=entropy_bonus&entropy_weight=0.2'")
    expect(again.locator("#method")).to_have_value("entropy_bonus")
    odd = visit("#slope=7&rollouts=few&seed=-4&method=nonsense&step=many&executable=NaN")
    expected = {"slope": 1, "rollouts": 8, "seed": 0, "method": "calibrl", "executable": 0.25}
    assert {name: odd.evaluate(f"page.settings.{name}") for name in expected} == expected


def test_every_question_trains_what_it_asks(visit):
    page = visit()
    for preset in PRESETS:
        page.get_by_role("button", name=preset["question"]).click()
        page.wait_for_function("page.comparison.step > 0")
        for name, value in preset["changes"].items():
            assert page.evaluate(f"page.settings['{name}']") == value
        page.evaluate("page.halt()")
    page.get_by_role("button", name="Another seed?").click()
    assert page.evaluate("page.settings.seed") == 1


def test_only_what_a_method_reads_can_be_set(visit):
    page = visit()
    reads = {"grpo": [], "entropy_bonus": ["entropy_weight"]}
    for method in METHODS:
        page.locator("#method").select_option(method)
        for name in ("slope", "exploration_weight", "entropy_weight"):
            read = name in reads.get(method, ["slope", "exploration_weight"])
            assert page.locator(f"#{name}").is_enabled() == read


def test_the_copied_command_trains_the_same_seed(visit, capsys):
    page = visit("#executable=0.5&seed=2&slope=1", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    expect(page.locator("#copied")).to_have_text("copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == "python -m toy watch --seed 2 --method calibrl --slope 1 --executable 0.5"
    page.evaluate("page.jump(60)")
    assert main([*command.split()[3:], "--steps", "60", "--points", "2", "--delay", "0"]) == 0
    shown = re.findall(r"entropy .* (\S+) nats.*\naccuracy .* (\S+)", capsys.readouterr().out)[-1]
    assert [f"{value:.3f}" for value in curves(page)[1, -1, :2]] == list(shown)


def test_the_lens_shows_a_group_and_where_its_numbers_come_from(visit):
    page = visit("#step=30")
    rows = page.locator("#lens tbody tr")
    assert rows.count() == 9
    group = page.evaluate("page.comparison.batches[1][0]")
    right = sum(row["correct"] for row in group["rows"])
    first = group["rows"][0]
    rows.first.get_by_role("button").nth(4).click()
    formula = page.locator("#formula").inner_text()
    assert f"{right} of the group" in formula
    assert f"{abs(first['advantage']):.4f}" in formula
    rows.first.get_by_role("button").nth(6).click()
    expect(page.locator("#formula")).to_contain_text("λ s |A| gate = 0.1")
    expect(page.locator("#formula")).to_contain_text(f"{abs(first['calibration'][0]):.4f}")
    rows.last.get_by_role("button").nth(1).click()
    expect(page.locator("#formula")).to_contain_text("What the group leaves over")
    rows.first.get_by_role("button").first.click()
    assert page.locator("#tree-right line.lit").count() == 4
    expect(rows.first).to_have_class("lit")
    page.locator("#prompt").select_option(label="6")
    assert page.locator("#lens tbody tr").first.locator("th").get_attribute("data-path") == str(
        page.evaluate("page.comparison.batches[1][5].rows[0].path")
    )
    page.locator("#method").select_option("grpo")
    assert page.locator("#lens tbody tr").count() == 8
    page.locator("#method").select_option("calibrl_released")
    expect(page.locator("#lens tbody tr").last).to_contain_text("+0.000")


def test_without_a_mouse(visit):
    page = visit()
    reached, marked = [], set()
    for _ in range(40):
        page.keyboard.press("Tab")
        place = page.evaluate("(() => { const node = document.activeElement; return node.id || node.textContent; })()")
        reached.append(place)
        if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none":
            marked.add(place)
    for name in ("train", "one", "end", "again", "guessing", "method", "slope", "seed", "prompt", "many", "copy"):
        assert name in reached
        assert name in marked
    assert len([place for place in reached if "·" in place[:9]]) == 1  # the table is one stop
    page.locator("#train").focus()
    page.keyboard.press("Space")
    page.wait_for_function("page.comparison.step > 0")
    page.keyboard.press("Space")
    page.locator("#slope").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("page.settings.slope") == 0.55
    page.locator("#lens tbody button[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#formula")).to_contain_text("log π(response)")
    assert page.evaluate("page.lens.at") == [1, 2]


def test_guess_first(visit):
    page = visit()
    page.locator("#guessing").check()
    page.get_by_role("button", name="alpha = 1: what happens?").click()
    guess = page.locator("#guess")
    expect(guess).to_be_visible()
    assert page.evaluate("page.comparison.step") == 0
    guess.get_by_role("button", name="near 0.95").click()
    page.evaluate("page.jump(600)")
    expect(guess).to_contain_text("Not this time")
    expect(guess).to_contain_text("0 of 1 guesses right")
    page.get_by_role("button", name="The paper's settings?").click()
    guess.get_by_role("button", name="near 0.95").click()
    page.evaluate("page.jump(600)")
    expect(guess).to_contain_text("1 of 2 guesses right")


def test_all_seeds_are_dots_with_their_share_and_interval(visit):
    page = visit("#slope=0.8")
    page.evaluate("page.settings.steps = 60")  # the whole is a matter of seconds more
    page.locator("#many").click()
    expect(page.locator("#many-result")).to_contain_text("of 32 seeds found a sound path")
    assert page.locator("#dots .left circle").count() == page.locator("#dots .right circle").count() == 32
    assert page.locator("#dots circle.own").count() == 2
    said = "GRPO: 0 of 32 seeds found a sound path (0 %, 95 % interval 0 % to 11 %)"
    expect(page.locator("#many-result")).to_contain_text(said)
    set_slider(page, "seed", 1)
    assert page.locator("#dots circle").count() == 0  # they were of other settings


LOOKS = {
    "wide": {},
    "narrow": {"viewport": {"width": 390, "height": 844}},
    "dark": {"color_scheme": "dark"},
    "narrow dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
    "less motion": {"reduced_motion": "reduce"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_it_fits_and_can_be_read(visit, look):
    page = visit("#step=60", **LOOKS[look])
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    smallest = """[...document.querySelectorAll('p, li, td, th, label, button, select, figcaption, .chart text')]
        .filter((node) => node.textContent && node.getBoundingClientRect().width)
        .map((node) => parseFloat(getComputedStyle(node).fontSize)
            * (node.ownerSVGElement ? node.ownerSVGElement.getBoundingClientRect().width / 560 : 1))"""
    assert min(page.evaluate(smallest)) >= 11.5
    contrast = page.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast


CONTRAST = """(() => {
  const light = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const against = (colour) => (Math.max(paper, light(colour)) + 0.05) / (Math.min(paper, light(colour)) + 0.05);
  const found = {};
  const style = (name) => getComputedStyle(document.querySelector(name));
  for (const name of ['h1', '.lead', '.says', '.small', '#method']) found[name] = against(style(name).color);
  for (const name of ['text.left', 'text.right', '.chart text']) found[name] = against(style(name).fill);
  return found;
})()"""


def test_printed_it_keeps_trees_and_curves_and_loses_the_controls(visit):
    page = visit("#step=60")
    page.emulate_media(media="print")
    for name in ("#tree-left svg", "#charts svg", "#lens"):
        assert page.locator(name).first.is_visible()
    for name in ("#train", "#sliders"):
        assert not page.locator(name).is_visible()
    assert page.pdf()[:4] == b"%PDF"
