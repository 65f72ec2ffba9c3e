"""Tables, lines and data of the page; how it looks and works is in test_report_in_browser.py."""

import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from toy.pages.names import NAMES
from toy.pages.report import DASHES, KIND_NAMES, cell, conclusions, page_data, terminal_table, write_report
from toy.pages.sections import OUTCOMES, Column, Line, Section, build_sections
from toy.world import KIND_COLOURS, Kind

KEYS = ("entropy", "accuracy", "coverage", "sound_mass", "solved", "shortcut_mass", "flawed_mass", "unsound_mass")


def curves(scale):
    """Five points: the mean of quantity q at point p is scale x (q + 1 + p / 10)."""
    found = {}
    for q, key in enumerate(KEYS):
        mean = [scale * (q + 1 + p / 10) for p in range(5)]
        found[key] = {"mean": mean, "low": [v - 0.25 for v in mean], "high": [v + 0.5 for v in mean]}
    return found


def line(label, scale=1.0, at=None, dash="--"):
    return Line(
        label=label, colour="#123456", dash=dash, curves=curves(scale), at=at or {}, seeds=7, final={"accuracy": [0.5]}
    )


def section(*lines, name="main", **more):
    return Section(name=name, title="A title", why="A question?", columns=OUTCOMES, lines=lines, **more)


def printed(table, width=220):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_a_cell_is_a_mean_with_its_interval():
    assert cell(line("grpo"), OUTCOMES[0], 2) == "1.200 [0.950, 1.700]"
    assert cell(line("grpo"), Column(key="accuracy", title="", digits=1), -1) == "2.4 [2.1, 2.9]"
    assert cell(line("grpo", -1e-9), Column(key="entropy", title="", digits=2), 0) == "0.00 [-0.25, 0.50]"


def test_a_share_is_a_count_and_one_seed_has_no_interval():
    share = Column(key="solved", title="", share=True, digits=2)
    assert cell(line("grpo", 4 / 35), share, 0) == "4 of 7 [0.32, 1.07]"
    assert cell(replace(line("grpo"), seeds=1), OUTCOMES[0], 2) == "1.200"
    assert cell(replace(line("grpo", 0.2), seeds=1), share, 0) == "1 of 1"


def test_the_terminals_table_has_the_end_and_the_entropy_half_way():
    text = printed(terminal_table(section(line("grpo"), line("calibrl", 2.0, {"slope": 0.5})), 220))
    assert "A title" in text
    header = " ".join(text.split())
    for title in ("entropy, half-way", "accuracy, end", "Coverage, end", "Seeds on"):
        assert title in header
    (row,) = [row for row in text.splitlines() if "GRPO" in row]
    assert re.findall(r"(\S+(?: of 7)?) (\[[^]]*\])", row) == [
        ("1.20", "[0.95, 1.70]"),
        ("2.40", "[2.15, 2.90]"),
        ("3.40", "[3.15, 3.90]"),
        ("38 of 7", "[5.15, 5.90]"),
    ]
    assert "CalibRL (alpha 0.5)" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_every_label_of_the_terminals_table_is_whole(width):
    methods = [*NAMES, "calibrl:gap=token_aligned,baseline=old_expert"]
    places = [{}, {"executable": 0.125, "exploration_weight": 0.03}, {"executable": 0.125, "exploration_weight": 0.1}]
    lines = [line(method, 0.1, at) for method in methods for at in places]
    rows = printed(terminal_table(section(*lines), width), width).splitlines()
    assert max(map(len, rows)) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(rows)
    labels = re.sub(r"\s+", "", "".join(re.split(r"\s{2,}|\s*\[", row)[0] for row in rows))
    for one in lines:
        assert one.title.replace(" ", "") in labels, one.title
    assert sum("0.12" in row for row in rows) >= len(lines)


def test_a_table_without_entropy_has_nothing_half_way():
    columns = (Column(key="accuracy", title="Exact accuracy"),)
    text = printed(terminal_table(Section(name="x", title="T", why="", columns=columns, lines=(line("a"),)), 220))
    assert "half-way" not in text
    assert "accuracy, end" in text


def test_conclusions_are_of_the_main_methods_in_the_default_world_and_of_deep_imitation():
    main = section(line("luffy"), line("calibrl", 0.2), line("grpo", 0.1))
    assert conclusions([main]) == [
        "GRPO stops searching: accuracy 0.24, on a sound path in 4 of 7 seeds, coverage 0.34",
        "CalibRL goes on searching: accuracy 0.48, on a sound path in 8 of 7 seeds, coverage 0.68",
    ]
    strong = section(*main.lines, line("calibrl:exploration_weight=1", 0.3), line("sft_grpo", 0.25))
    deep = section(line("grpo", 0.3), line("sft_grpo", 0.05), name="deep")
    _, second, third = conclusions([strong, deep])
    assert second.endswith("coverage 0.68, and with lambda 1, ten times the paper's, 1.02")
    assert third.startswith("SFT, then GRPO, finds it, too: accuracy 0.60")
    assert third.endswith("; but long imitation of what it cannot execute ends at 0.12, GRPO there at 0.72")
    assert conclusions([section(line("calibrl"))]) == conclusions([deep]) == []


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
        "share": False,
        "dots": True,
    }
    assert [(kind["key"], kind["label"], kind["colour"]) for kind in found["kinds"]] == [
        (f"{kind.name.lower()}_mass", KIND_NAMES[kind], KIND_COLOURS[kind]) for kind in Kind
    ]
    first, second = found["lines"]
    assert (first["label"], first["dash"], first["seeds"], first["at"]) == ("grpo", "7 4", 7, {})
    assert (second["row"], second["dash"], second["at"]) == ("calibrl (alpha 0.5)", "", {"slope": 0.5})
    assert (first["name"], second["title"], second["final"]) == ("GRPO", "CalibRL (alpha 0.5)", {"accuracy": [0.5]})
    assert first["main"]
    assert data["methods"]["calibrl"] == {
        "idea": "the expert is a reference, not a target",
        "source": "https://arxiv.org/abs/2602.20197",
    }
    assert set(first["curves"]) == set(KEYS)
    assert first["curves"]["entropy"][0] == [1.235, 1.358, 1.481, 1.605, 1.728]
    assert first["curves"]["entropy"][1][0] == 0.9846
    assert first["curves"]["entropy"][2][0] == 1.735


def test_a_section_without_kinds_has_its_columns_curves_only():
    (found,) = page_data([section(line("a"), kinds=False)], [0])["sections"]
    assert found["kinds"] == []
    assert set(found["lines"][0]["curves"]) == {"entropy", "accuracy", "coverage", "sound_mass", "solved"}


def test_every_dash_of_a_line_has_a_drawing():
    assert DASHES == {"-": "", "--": "7 4", "-.": "8 3 2 3", ":": "2 3"}


@pytest.fixture
def results():
    arm = {"part": "main", "at": {}, "seeds": 7, "steps": [0, 1, 2, 3, 4], "curves": curves(0.2)}
    arm["final"] = {"accuracy": [0.5, 0.6]}
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
    assert "GRPO stops searching: accuracy 0.48, on a sound path in 8 of 7 seeds" in page
    assert '<a href="live.html">' in page
    assert "0.280 [0.030, 0.780]" in page
    data = json.loads(re.search(r'<script type="application/json" id="study">(.*?)</script>', page).group(1))
    assert data["sections"][0]["lines"][1]["label"] == "calibrl"
    assert len(build_sections(results)) == 1
