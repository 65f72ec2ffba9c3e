"""The interactive page in a real browser; skipped where none is installed."""

import json
import re

import pytest
from playwright.sync_api import expect

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
    assert sections.count() == {"compare": 6, "ablate": 8, "phase": 2, "mechanism": 3}[command]
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
    box, row = main.get_by_label("grpo", exact=True), main.locator("tbody tr").first
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
        row = tooltip.locator("tr", has_text=entry["method"]).last
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
        for text, metric in zip(cells, ("entropy", "accuracy", "sound_mass", "solved"), strict=True):
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
        found = numbers(reading.inner_text().partition("calibrl")[2])[:3]
        assert found == pytest.approx(numbers(as_text(entry["curves"]["accuracy"], -1)), abs=0.0011)
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
