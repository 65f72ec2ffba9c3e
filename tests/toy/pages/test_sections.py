"""From entries as results.json holds them to what figures, tables and the page draw."""

from dataclasses import FrozenInstanceError

import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from toy.pages.palette import STYLES
from toy.pages.sections import CHANGES, OUTCOMES, PUSHES, Line, Section, axis_label, build_sections
from toy.studies.questions import PARTS
from toy.world import KIND_COLOURS, Kind


def entry(part="main", method="grpo", at=None, world="default", **curves):
    metrics = ("entropy", "accuracy", *PUSHES, *CHANGES)
    found = {name: {"mean": [float(index)], "low": [0.0], "high": [9.0]} for index, name in enumerate(metrics)}
    made = {"part": part, "method": method, "at": at or {}, "world": world, "seeds": 3, "curves": found | curves}
    return made | {"final": {"accuracy": [0.6, 0.9, 0.6]}}


def results(*entries, study="compare"):
    return {"study": study, "arms": list(entries)}


def test_a_part_is_a_section_with_a_line_for_each_method():
    arms = [entry(), entry(method="calibrl"), entry("adam", "calibrl")]
    main, adam = build_sections(results(*arms))
    assert (main.name, main.title, main.why) == ("main", PARTS["main"].title, PARTS["main"].why)
    assert (adam.name, adam.title) == ("adam", "Adam")
    assert main.columns is OUTCOMES
    assert [(line.label, line.colour, line.dash, line.seeds) for line in main.lines] == [
        ("grpo", *STYLES["grpo"], 3),
        ("calibrl", *STYLES["calibrl"], 3),
    ]
    assert main.lines[1].curves is arms[1]["curves"]
    assert main.lines[1].final is arms[1]["final"]
    assert (main.axes, main.kinds) == ({}, True)


def test_sections_come_in_the_order_of_the_parts_whatever_the_arms_have():
    found = build_sections(results(entry("adam"), entry("slope x weight", at={"slope": 0.1}), entry("main")))
    assert [section.name for section in found] == ["main", "slope x weight", "adam"]


def test_what_is_drawn_of_a_method():
    columns = [(column.key, column.top, column.panel, column.dots, column.share) for column in OUTCOMES]
    assert columns == [
        ("entropy", None, True, False, False),
        ("accuracy", 1.0, True, True, False),
        ("coverage", 1.0, True, False, False),
        ("sound_mass", 1.0, False, False, False),
        ("solved", 1.0, False, False, True),
    ]
    assert not any(column.symlog for column in OUTCOMES)


def test_values_of_one_number_have_a_ramp_of_colours_in_their_order_and_grpo_is_black():
    methods = ["grpo", "calibrl:slope=0", "calibrl:slope=0.5", "calibrl:slope=1"]
    (section,) = build_sections(results(*(entry("slope", method) for method in methods)))
    colours = [line.colour for line in section.lines]
    assert colours[0] == "#000000"
    brightness = [sum(int(colour[i : i + 2], 16) * w for i, w in ((1, 3), (3, 6), (5, 1))) for colour in colours[1:]]
    assert brightness == sorted(brightness, reverse=True)
    assert len(set(colours)) == 4
    assert colours[1:] == [to_hex(colormaps["viridis"](value)) for value in (0.9, 0.6, 0.3)]
    assert {line.dash for line in section.lines} == {"-"}


def test_a_map_has_the_axes_of_its_entries_and_grpo_of_the_same_world_beside_it():
    cells = [
        entry("slope x weight", "calibrl", {"slope": s, "exploration_weight": w}) for w in (0.3, 0.1) for s in (1, 0)
    ]
    others = [entry(world="another"), entry(), entry("adam")]
    found = build_sections(results(*others, *cells))
    section = next(section for section in found if section.name == "slope x weight")
    assert section.axes == {"slope": [0, 1], "exploration_weight": [0.1, 0.3]}
    assert list(section.axes) == ["slope", "exploration_weight"]
    assert [line.label for line in section.lines] == ["calibrl"] * 4 + ["grpo"]
    assert section.lines[-1].curves is others[1]["curves"]
    assert section.lines[-1].colour == "#000000"
    assert section.lines[0].at == {"slope": 1, "exploration_weight": 0.3}
    assert {line.colour for line in section.lines[:4]} == {STYLES["calibrl"][0]}


def test_a_method_without_the_second_axis_stands_in_the_map_too():
    arms = [entry("executable x weight", "grpo", {"executable": 0.5})]
    arms += [entry("executable x weight", "calibrl", {"executable": 0.5, "exploration_weight": 0.1})]
    arms += [entry("main", "grpo", world="default")]  # not shown a second time
    _, section = build_sections(results(*arms))
    assert section.axes == {"executable": [0.5], "exploration_weight": [0.1]}
    assert [line.label for line in section.lines] == ["grpo", "calibrl"]


def test_mechanism_has_a_panel_for_each_method_and_a_line_for_each_push():
    arms = [entry(), entry(method="calibrl")]
    main, push, change = build_sections(results(*arms, study="mechanism"))
    assert (push.name, push.title, change.name) == ("push", "Who is pushed where", "entropy change")
    assert [column.key for column in push.columns] == ["grpo", "calibrl"]
    assert all(column.symlog and column.panel and column.digits == 4 for column in push.columns)
    assert [(line.label, line.colour, line.dash) for line in push.lines] == [
        ("sound paths", KIND_COLOURS[Kind.SOUND], "-"),
        ("shortcuts", "#000000", "-"),
        ("the expert's paths", "#D55E00", "--"),
    ]
    assert [line.label for line in change.lines] == ["measured", "predicted, first order"]
    for index, name in enumerate(PUSHES):
        assert push.lines[index].curves["calibrl"] is arms[1]["curves"][name]
        assert push.lines[index].seeds == 3
    assert change.lines[1].curves["grpo"] is arms[0]["curves"]["predicted_entropy_change"]
    assert (push.kinds, change.kinds, main.kinds) == (False, False, True)


@pytest.mark.parametrize("part", [OUTCOMES[0], build_sections(results(entry()))[0]])
def test_parts_of_a_page_do_not_change(part):
    with pytest.raises(FrozenInstanceError):
        part.title = "another"


def test_names_in_tables_and_files():
    line = Line(label="calibrl", colour="#000000", dash="-", curves={}, at={"slope": 0.5, "rollouts": 8})
    assert line.row == "calibrl (alpha 0.5, group size 8)"
    assert (line.name, line.title) == ("CalibRL", "CalibRL (alpha 0.5, group size 8)")
    third = Line(label="sft_grpo", colour="#000000", dash="-", curves={}, at={"supervised_share": 1 / 3})
    assert third.title == "SFT, then GRPO (supervised share 0.333)"
    assert Line(label="grpo", colour="#000000", dash="-", curves={}).row == "grpo"
    section = Section(name="slope x weight", title="", why="", columns=(), lines=())
    assert section.file_name == "slope_x_weight"


@pytest.mark.parametrize(
    ("axis", "label"),
    [("exploration_weight", "lambda"), ("executable", "executable share"), ("reward_noise", "reward noise")],
)
def test_axes_in_words(axis, label):
    assert axis_label(axis) == label
