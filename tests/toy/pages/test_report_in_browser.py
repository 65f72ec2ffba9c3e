"""The interactive page in a real browser; skipped where none is installed."""

import json
import re

import pytest
from playwright.sync_api import expect

from toy.pages.names import name_of
from toy.pages.report import HEADLINERS, write_report
from toy.studies.questions import DEFAULT_METHODS

STUDIES = ("compare", "ablate", "phase", "mechanism")

expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong

pytestmark = pytest.mark.slow


@pytest.fixture
def visit(open_page, study):
    """``visit(command)``: the page of a study, opened."""

    def page_of(command, *, width=1200, address="", **options):
        return open_page(study(command) / "report.html", address, viewport={"width": width, "height": 844}, **options)

    return page_of


@pytest.fixture
def results(study):
    return json.loads((study("compare") / "results.json").read_text())


@pytest.fixture
def visit_many(open_page, results, tmp_path):
    """The page of a comparison of all methods; their curves are made up."""
    first, *rest = results["arms"]
    all_of_them = [first | {"method": method} for method in DEFAULT_METHODS]
    rest = [entry for entry in rest if entry["part"] != "main"]
    page = write_report(results | {"arms": [*all_of_them, *rest]}, tmp_path, command="python -m toy compare")

    def page_of(address="", **options):
        return open_page(page, address, **options)

    return page_of


def as_text(curve, point):
    return "{:.3f} [{:.3f}, {:.3f}]".format(*(curve[part][point] for part in ("mean", "low", "high")))


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


def set_slider(slider, value):
    slider.evaluate("(node, value) => { node.value = value; node.dispatchEvent(new Event('input')); }", value)


@pytest.mark.parametrize("command", STUDIES)
@pytest.mark.parametrize("width", [1200, 390])
def test_loads_quietly_draws_every_section_and_fits(visit, command, width):
    page = visit(command, width=width)
    sections = page.locator("[data-section]")
    assert sections.count() == {"compare": 7, "ablate": 8, "phase": 3, "mechanism": 3}[command]
    for section in sections.all():
        expect(section.locator(".interactive")).to_be_visible()
        expect(section.locator(".static")).to_be_hidden()
        assert section.locator("polyline").count() >= 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "[...document.querySelectorAll('p, li, td, th, label, .plot text')].map("
        "node => parseFloat(getComputedStyle(node).fontSize))"
    )
    assert min(sizes) >= 12


def test_boxes_choose_methods_by_mouse_and_keyboard(visit):
    main = visit("compare").locator("[data-section=main]")
    box, row = main.get_by_label("GRPO", exact=True), main.locator("tbody tr").first
    lines = main.locator("polyline[data-line=grpo]")
    expect(lines).to_have_count(3)
    box.click()
    expect(lines).to_have_count(0)
    expect(row).to_be_hidden()
    box.focus()
    box.press("Space")
    expect(lines).to_have_count(3)
    expect(row).to_be_visible()
    main.get_by_role("button", name="none").click()
    expect(main.locator("polyline")).to_have_count(0)


def test_pointing_shows_the_value_with_its_interval(visit, results):
    main = visit("compare").locator("[data-section=main]")
    plot = main.locator("svg.plot").nth(1)
    box = plot.bounding_box()
    plot.hover(position={"x": 48 + (box["width"] - 60) * 0.49, "y": 90})
    tooltip = main.locator(".tooltip").nth(1)
    expect(tooltip).to_be_visible()
    expect(tooltip).to_contain_text("step 6")
    for entry in results["arms"][:2]:
        row = tooltip.locator("tr", has_text=name_of(entry["method"])).last
        expected = as_text(entry["curves"]["accuracy"], 2)
        assert numbers(row.locator("td").last.inner_text()) == pytest.approx(numbers(expected), abs=0.0011)
    expect(main.locator(".tooltip").first).to_be_hidden()


def test_the_arrow_keys_read_a_chart(visit):
    page = visit("compare")
    plot = page.locator("[data-section=main] svg.plot").first
    plot.focus()
    plot.press("ArrowLeft")
    expect(page.locator("#step-value")).to_have_text("9")
    expect(page.locator("[data-section=main] .tooltip").first).to_contain_text("step 9")


def test_the_slider_moves_table_bars_and_maps_to_another_step(visit, results):
    page = visit("compare")
    main, curves = page.locator("[data-section=main]"), results["arms"][0]["curves"]
    for point, step in ((0, "0"), (2, "6"), (4, "12")):
        set_slider(page.locator("#step"), point)
        expect(page.locator("#step-value")).to_have_text(step)
        expect(main.locator(".at-step")).to_have_text(step)
        cells = main.locator("tbody tr").first.locator("td").all_inner_texts()
        for text, metric in zip(cells[:4], ("entropy", "accuracy", "coverage", "sound_mass"), strict=True):
            assert numbers(text) == pytest.approx(numbers(as_text(curves[metric], point)), abs=0.0011)
        spoken = main.locator(".bar").first.get_attribute("aria-label")
        shortcut = re.search(r"shortcut (\d\.\d+)", spoken).group(1)
        assert float(shortcut) == pytest.approx(curves["shortcut_mass"]["mean"][point], abs=0.0011)


def test_alpha_and_lambda_move_the_curve_and_cells_move_the_sliders(visit, results):
    part = visit("compare").locator("[data-section='slope x weight']")
    curve, reading = part.locator("polyline[data-line^=calibrl]").first, part.locator(".reading")
    drawn = {}
    for alpha, place in ((0.0, 0), (1.0, 4)):
        set_slider(part.get_by_label("alpha", exact=False).first, place)
        drawn[alpha] = curve.get_attribute("points")
        (entry,) = [arm for arm in results["arms"] if arm["at"] == {"slope": alpha, "exploration_weight": 0.1}]
        expect(reading).to_contain_text(f"alpha {alpha:g}, lambda 0.1")
        found = numbers(reading.inner_text().partition("CalibRL")[2])[0]
        assert found == pytest.approx(entry["curves"]["accuracy"]["mean"][-1], abs=0.0011)
        expect(reading).to_contain_text("(1 seed)")  # which has no interval
    assert drawn[0.0] != drawn[1.0]
    assert part.locator("polyline[data-line=grpo]").count() == 3
    part.locator("button[data-cell='calibrl (alpha 0.3, lambda 1)']").press("Enter")
    expect(reading).to_contain_text("alpha 0.3, lambda 1")
    assert part.locator("input[type=range]").nth(1).input_value() == "3"
    part.locator("select").select_option("entropy")
    expect(reading).to_contain_text("Exact entropy")


def test_play_runs_from_the_start_to_the_end(visit):
    page = visit("compare")
    page.evaluate("""() => {
        window.seen = [];
        const output = document.getElementById("step-value");
        new MutationObserver(() => window.seen.push(output.textContent)).observe(output, { childList: true });
    }""")
    page.get_by_role("button", name="Play the training").click()
    page.wait_for_function("window.seen.at(-1) === '12'")
    assert page.evaluate("window.seen") == ["0", "3", "6", "9", "12"]
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play the training")


def test_without_scripts_figures_and_tables_remain(visit):
    page = visit("compare", java_script_enabled=False)
    main = page.locator("[data-section=main]")
    assert main.locator("img").evaluate("node => node.complete && node.naturalWidth") > 500
    expect(main.locator("tbody tr").first).to_contain_text("[")
    expect(main.locator(".interactive")).to_be_hidden()
    expect(page.locator(".stepbar")).to_be_hidden()


def test_the_first_screen_answers_the_title_with_figures_and_the_main_curves(visit_many):
    page = visit_many()
    answer = page.locator(".answer")
    expect(answer).to_contain_text("GRPO stops searching: accuracy 0.")
    expect(answer).to_contain_text("of 3 seeds")
    expect(answer).to_contain_text("with lambda 1, ten times the paper's")
    main = page.locator("[data-section=main]")
    assert answer.bounding_box()["y"] < 200
    panels = main.locator(".panels").bounding_box()
    assert panels["y"] + panels["height"] <= 750
    drawn = {node.get_attribute("data-line") for node in main.locator("polyline").all()}
    assert drawn == set(HEADLINERS)
    assert main.locator("tbody tr:visible").count() == len(HEADLINERS)


def test_the_other_methods_are_a_click_away_with_name_idea_and_source(visit_many):
    main = visit_many().locator("[data-section=main]")
    box = main.get_by_label("LUFFY", exact=True)
    expect(box).to_be_hidden()
    main.locator("summary", has_text="9 other methods").click()
    entry = main.locator(".others li", has_text="LUFFY")
    expect(entry).to_contain_text("the expert is a shaped group member")
    assert entry.locator("a").get_attribute("href") == "https://arxiv.org/abs/2504.14945"
    box.click()
    expect(main.locator("polyline[data-line=luffy]")).to_have_count(3)
    main.get_by_role("button", name="all").click()
    expect(main.locator("tbody tr:visible")).to_have_count(len(DEFAULT_METHODS))


def test_seeds_are_dots_beside_the_accuracy_at_the_end(visit, results):
    page = visit("compare")
    dots = page.locator("[data-section=main] .dot")
    expect(dots).to_have_count(6)  # two methods, three seeds, in the accuracy's panel only
    set_slider(page.locator("#step"), 1)
    expect(dots).to_have_count(0)
    text = page.locator("[data-section=main] tbody tr").first.locator("td").last.inner_text()
    assert text.startswith("0 of 3 [0.000, 0.56")


def test_what_is_chosen_is_in_the_address(visit):
    page = visit("compare")
    set_slider(page.locator("#step"), 2)
    page.locator("[data-section=main]").get_by_label("GRPO", exact=True).click()
    page.locator("button[data-cell='calibrl (alpha 0.3, lambda 1)']").click()
    address = page.evaluate("location.hash")
    again = visit("compare", address=address)
    expect(again.locator("#step-value")).to_have_text("6")
    assert not again.locator("[data-section=main]").get_by_label("GRPO", exact=True).is_checked()
    expect(again.locator("[data-section='slope x weight'] .reading")).to_contain_text("alpha 0.3, lambda 1")
    odd = visit("compare", address="#step=7&slope+x+weight+at=9,9&main=nothing")
    expect(odd.locator("#step-value")).to_have_text("12")
    assert visit("compare", address="#adam").evaluate("location.hash") == "#adam"


def test_a_group_of_controls_is_one_stop_and_the_arrows_move_in_it(visit):
    page = visit("compare")
    cells = page.locator("[data-section='slope x weight'] .maps td button")
    assert cells.count() == 20
    assert page.locator("[data-section='slope x weight'] .maps td button[tabindex='0']").count() == 1
    start = page.locator("[data-section='slope x weight'] .maps button[aria-pressed=true]").first
    start.focus()
    start.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("[data-section='slope x weight'] .reading")).to_contain_text("alpha 0.8, lambda 0.1")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("[data-section='slope x weight'] .reading")).to_contain_text("alpha 0.8, lambda 0.3")
    box = page.locator("[data-section=main]").get_by_label("GRPO", exact=True)
    box.focus()
    box.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "calibrl:slope=0.8"
    page.locator("[data-section=main]").get_by_role("button", name="none").click()
    stops = page.locator("[data-section=main] .choices :is(input, button):not([tabindex='-1'])")
    assert stops.count() == 1
    assert stops.first.inner_text() == "none"  # where one is, the tab key comes back to


def test_dark_and_forced_colours_and_print(visit):
    page = visit("compare", color_scheme="dark")
    line = page.locator("polyline[data-line=grpo]").first
    assert line.evaluate("node => getComputedStyle(node).stroke") == "rgb(232, 234, 237)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    page.emulate_media(media="print")
    expect(page.locator(".stepbar")).to_be_hidden()
    bar, cell = page.locator(".bar i").first, page.locator(".maps td button").first
    for node in (bar, cell):
        assert node.evaluate("node => getComputedStyle(node).printColorAdjust") == "exact"
        assert node.evaluate("node => getComputedStyle(node).backgroundColor") != "rgba(0, 0, 0, 0)"
    forced = visit("compare", forced_colors="active")
    expect(forced.locator("polyline[data-line=grpo]").first).to_be_visible()
    assert forced.locator(".bar i").first.evaluate("node => getComputedStyle(node).forcedColorAdjust") == "none"
