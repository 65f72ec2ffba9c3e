"""Tables, lines and data of the page; how it looks and works is in test_report_in_browser.py."""

import json
import re

import pytest
from rich.console import Console

from toy.pages.report import DASHES, KIND_NAMES, cell, key_numbers, page_data, terminal_table, write_report
from toy.pages.sections import OUTCOMES, Column, Line, Section, build_sections
from toy.world import KIND_COLOURS, Kind

KEYS = ("entropy", "accuracy", "sound_mass", "solved", "shortcut_mass", "flawed_mass", "unsound_mass")


def curves(scale):
    """Five points: the mean of quantity q at point p is scale x (q + 1 + p / 10)."""
    found = {}
    for q, key in enumerate(KEYS):
        mean = [scale * (q + 1 + p / 10) for p in range(5)]
        found[key] = {"mean": mean, "low": [v - 0.25 for v in mean], "high": [v + 0.5 for v in mean]}
    return found


def line(label, scale=1.0, at=None, dash="--"):
    return Line(label=label, colour="#123456", dash=dash, curves=curves(scale), at=at or {}, seeds=7)


def section(*lines, name="main", **more):
    return Section(name=name, title="A title", why="A question?", columns=OUTCOMES, lines=lines, **more)


def printed(table):
    console = Console(width=220)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_cell_is_a_mean_with_its_interval():
    assert cell(line("grpo"), OUTCOMES[0], 2) == "1.200 [0.950, 1.700]"
    assert cell(line("grpo"), Column(key="accuracy", title="", digits=1), -1) == "2.4 [2.1, 2.9]"
    assert cell(line("grpo", -1e-9), Column(key="entropy", title="", digits=2), 0) == "0.00 [-0.25, 0.50]"


def test_the_terminals_table_has_the_end_and_the_entropy_half_way():
    text = printed(terminal_table(section(line("grpo"), line("calibrl", 2.0, {"slope": 0.5}))))
    assert "A title" in text
    header = " ".join(text.split())
    for title in ("entropy, half-way", "entropy, end", "accuracy, end", "Probability of a", "Share of seeds"):
        assert title in header
    (row,) = [row for row in text.splitlines() if "grpo" in row]
    assert re.findall(r"\d\.\d{3} \[[^]]*\]", row) == [
        "1.200 [0.950, 1.700]",
        "1.400 [1.150, 1.900]",
        "2.400 [2.150, 2.900]",
        "3.400 [3.150, 3.900]",
        "4.400 [4.150, 4.900]",
    ]
    assert "calibrl (alpha 0.5)" in text


def test_a_table_without_entropy_has_nothing_half_way():
    columns = (Column(key="accuracy", title="Exact accuracy"),)
    text = printed(terminal_table(Section(name="x", title="T", why="", columns=columns, lines=(line("a"),))))
    assert "half-way" not in text
    assert "accuracy, end" in text


def test_the_key_numbers_are_of_the_headliners_in_the_default_world():
    sections = [section(line("luffy"), line("calibrl"), line("grpo")), section(line("sft_grpo"), name="adam")]
    grpo, calibrl = key_numbers(sections)
    assert grpo == (
        "grpo: entropy 1.00 at the start, 1.20 half-way, 1.40 at the end; accuracy 2.40 (solved above 0.85)"
    )
    assert calibrl.startswith("calibrl: ")


def test_the_pages_data_hold_every_curve_in_four_digits():
    lines = (line("grpo", 1.23456), line("calibrl", 2.0, {"slope": 0.5}, "-"))
    data = page_data([section(*lines, axes={"slope": [0.5, 1.0]})], [0, 1, 2, 3, 4])
    assert json.loads(json.dumps(data)) == data
    assert data["steps"] == [0, 1, 2, 3, 4]
    assert data["symlogFrom"] == 0.005
    assert (len(data["ramp"]), data["ramp"][0], data["ramp"][-1]) == (16, "#00224e", "#fee838")
    (found,) = data["sections"]
    assert found["name"] == "main"
    assert found["axes"] == [{"name": "slope", "label": "alpha", "values": [0.5, 1.0]}]
    assert found["columns"][1] == {
        "key": "accuracy",
        "title": "Exact accuracy",
        "unit": "",
        "top": 1.0,
        "symlog": False,
        "panel": True,
        "digits": 3,
    }
    assert [(kind["key"], kind["label"], kind["colour"]) for kind in found["kinds"]] == [
        (f"{kind.name.lower()}_mass", KIND_NAMES[kind], KIND_COLOURS[kind]) for kind in Kind
    ]
    first, second = found["lines"]
    assert (first["label"], first["dash"], first["seeds"], first["at"]) == ("grpo", "7 4", 7, {})
    assert (second["row"], second["dash"], second["at"]) == ("calibrl (alpha 0.5)", "", {"slope": 0.5})
    assert set(first["curves"]) == set(KEYS)
    assert first["curves"]["entropy"][0] == [1.235, 1.358, 1.481, 1.605, 1.728]
    assert first["curves"]["entropy"][1][0] == 0.9846
    assert first["curves"]["entropy"][2][0] == 1.735


def test_a_section_without_kinds_has_its_columns_curves_only():
    (found,) = page_data([section(line("a"), kinds=False)], [0])["sections"]
    assert found["kinds"] == []
    assert set(found["lines"][0]["curves"]) == {"entropy", "accuracy", "sound_mass", "solved"}


def test_every_dash_of_a_line_has_a_drawing():
    assert DASHES == {"-": "", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}


@pytest.fixture
def results():
    arm = {"part": "main", "at": {}, "seeds": 7, "steps": [0, 1, 2, 3, 4], "curves": curves(0.2)}
    world = {"depth": 3, "branching": 5, "shortcuts": 4, "shortcut_success": 0.6, "shortcut_prior": 0.8, "sound": 8}
    world |= {"sound_success": 0.95, "sound_prior": 0.005, "unsound_success": 0.02, "demonstrations": 16}
    world |= {"executable": 0.25, "flawed_success": 0.2}
    arms = [arm | {"method": name, "world": world} for name in ("grpo", "calibrl")]
    made = {"study": "compare", "complete": False, "made": "today", "seconds": 12.4, "versions": {"torch": "2"}}
    return made | {"arms": arms}


def test_the_page_says_what_was_run(results, tmp_path):
    path = write_report(results, tmp_path, command="python -m toy compare <hostile>")
    assert path == tmp_path / "report.html"
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "live.html", "main.png", "main.svg"}
    page = " ".join(path.read_text(encoding="utf-8").split())
    assert "python -m toy compare &lt;hostile&gt;" in page
    assert "12 seconds of training, 7 seeds" in page
    assert "made today with torch 2" in page
    assert "a table of 155 logits" in page  # 31 nodes of 5 options
    assert "3 decisions out of 5 options: 125 paths" in page
    assert "verified 60 % of the time and hold 80 % of the untrained policy" in page
    assert "hold 0.5 %" in page
    assert "A seed counts as solved if its accuracy is above 0.85" in page
    assert "This study was interrupted" in page
    assert '<span class="card-value">0.480</span>' in page
    assert "0.280 [0.030, 0.780]" in page
    data = json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page).group(1))
    assert data["sections"][0]["lines"][1]["label"] == "calibrl"
    assert len(build_sections(results)) == 1
