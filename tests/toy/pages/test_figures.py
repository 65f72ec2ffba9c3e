"""What a figure draws, asked of its artists."""

from dataclasses import replace

import numpy as np
import pytest

from toy.pages.figures import RAMP, SYMLOG_FROM, save_figure, section_figure
from toy.pages.sections import Column, Line, Section

STEPS = [0, 5, 10]


def curve(*mean):
    return {"mean": list(mean), "low": [value - 0.1 for value in mean], "high": [value + 0.2 for value in mean]}


def line(label, accuracy, entropy, at=None, colour="#D55E00", dash="--"):
    curves = {"entropy": curve(*entropy), "accuracy": curve(*accuracy)}
    final = {"accuracy": [accuracy[-1] - 0.2, accuracy[-1] + 0.2]}
    return Line(label=label, colour=colour, dash=dash, curves=curves, at=at or {}, seeds=2, final=final)


COLUMNS = (
    Column(key="entropy", title="Exact entropy", unit="nats"),
    Column(key="accuracy", title="Exact accuracy", top=1.0),
    Column(key="accuracy", title="In the table only", panel=False),
)


def section(lines, axes=None, columns=COLUMNS):
    return Section(name="main", title="", why="", columns=columns, lines=tuple(lines), axes=axes or {})


def test_a_panel_for_each_column_and_a_line_with_its_interval_for_each_line():
    lines = [line("a", (0.1, 0.2, 0.3), (3, 2, 1)), line("b", (0.5, 0.6, 0.7), (2, 1, 0), colour="#000000", dash="-")]
    figure = section_figure(section(lines), STEPS)
    assert len(figure.axes) == 2
    entropy, accuracy = figure.axes
    assert (entropy.get_title(), entropy.get_xlabel(), entropy.get_ylabel()) == (
        "Exact entropy",
        "training step",
        "nats",
    )
    for drawn, expected in zip(accuracy.get_lines(), lines, strict=True):
        assert drawn.get_xdata().tolist() == STEPS
        assert list(drawn.get_ydata()) == expected.curves["accuracy"]["mean"]
        assert (drawn.get_color(), drawn.get_linestyle()) == (expected.colour, expected.dash)
    assert list(entropy.get_lines()[0].get_ydata()) == [3, 2, 1]
    band = accuracy.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.0, 0.5))
    assert accuracy.get_ylim() == (0.0, 1.0)
    assert entropy.get_ylim()[0] == 0.0
    assert entropy.get_ylim()[1] > 3
    assert accuracy.get_yscale() == "linear"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert tuple(figure.get_size_inches()) == (12.0, 4.6)
    assert not accuracy.spines["top"].get_visible()


def test_each_seeds_end_is_a_dot_beside_a_mean_of_runs_of_two_kinds():
    columns = (Column(key="accuracy", title="", top=1.0, dots=True),)
    (axes,) = section_figure(section([line("a", (0.1, 0.2, 0.7), (3, 2, 1))], columns=columns), STEPS).axes
    curve, dots = axes.get_lines()
    assert list(dots.get_ydata()) == pytest.approx([0.5, 0.9])
    assert min(dots.get_xdata()) > STEPS[-1]
    assert (dots.get_linestyle(), dots.get_color()) == ("None", curve.get_color())


def test_the_dots_of_up_to_four_lines_stand_side_by_side():
    columns = (Column(key="accuracy", title="", top=1.0, dots=True),)
    lines = [line(str(place), (0.1, 0.2, 0.7), (3, 2, 1)) for place in range(5)]
    (axes,) = section_figure(section(lines, columns=columns), STEPS).axes
    places = [set(dots.get_xdata()) for dots in axes.get_lines()[1::2]]
    assert [place for (place,) in places] == pytest.approx([10.2, 10.4, 10.6, 10.8, 10.2])


def test_the_names_stand_below_in_rows_of_six():
    for count, expected in ((2, 2), (6, 6), (8, 6)):
        lines = [line(str(place), (0.1, 0.2, 0.7), (3, 2, 1)) for place in range(count)]
        (legend,) = section_figure(section(lines), STEPS).legends
        assert legend._ncols == expected


def test_many_panels_make_a_wide_figure():
    columns = tuple(Column(key="accuracy", title=str(index)) for index in range(5))
    figure = section_figure(section([line("a", (1, 1, 1), (1, 1, 1))], columns=columns), STEPS)
    assert figure.get_size_inches()[0] == pytest.approx(16.0)


def test_a_logarithmic_axis_is_shared_and_linear_near_zero():
    columns = tuple(Column(key=key, title=key, symlog=True) for key in ("entropy", "accuracy"))
    figure = section_figure(section([line("a", (-1, 0, 1), (30, 2, 1))], columns=columns), STEPS)
    first, second = figure.axes
    assert first.get_yscale() == second.get_yscale() == "symlog"
    assert first.yaxis.get_transform().linthresh == SYMLOG_FROM == 0.005
    assert first.get_ylim() == second.get_ylim()
    assert first.get_lines()[-1].get_ydata() == [0.0, 0.0]


AXES = {"slope": [0.0, 0.5, 1.0], "exploration_weight": [0.1, 0.3]}


def cells():
    """Accuracy 0.1 per column and 0.3 per row at the end; another value half-way."""
    for x, slope in enumerate(AXES["slope"]):
        for y, weight in enumerate(AXES["exploration_weight"]):
            end = 0.1 * x + 0.3 * y
            yield line("calibrl", (9, 9, end), (9, 9, 2 * end), {"slope": slope, "exploration_weight": weight})


def test_a_map_shows_the_end_of_each_cell_at_its_place():
    plain = [line("grpo", (9, 9, 0.05), (9, 9, 4.0))]
    figure = section_figure(section([*cells(), *plain], AXES), STEPS)
    accuracy, entropy = figure.axes
    assert accuracy.get_title() == "CalibRL: exact accuracy at the end"
    assert entropy.get_title() == "CalibRL: exact entropy at the end"
    (image,) = accuracy.get_images()
    expected = np.array([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])
    assert np.asarray(image.get_array()) == pytest.approx(expected)
    assert np.asarray(entropy.get_images()[0].get_array()) == pytest.approx(2 * expected)
    assert image.origin == "lower"
    assert image.get_clim() == (0.0, 1.0)
    assert entropy.get_images()[0].get_clim() == (0.0, 4.0)  # the largest of all lines
    assert image.get_cmap().name == RAMP == "cividis"
    texts = {text.get_position(): (text.get_text(), text.get_color()) for text in accuracy.texts}
    assert texts[2, 1] == ("0.50", "white")
    assert texts[1, 0] == ("0.10", "white")
    assert [label.get_text() for label in accuracy.get_xticklabels()] == ["0", "0.5", "1"]
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["0.1", "0.3"]
    assert (accuracy.get_xlabel(), accuracy.get_ylabel()) == ("alpha", "lambda")


def test_a_map_of_coverage_stands_beside_that_of_accuracy():
    columns = (*COLUMNS, Column(key="coverage", title="Coverage", top=1.0))
    lines = [replace(cell, curves={**cell.curves, "coverage": curve(9, 9, 0.25)}) for cell in cells()]
    figure = section_figure(section(lines, AXES, columns=columns), STEPS)
    titles = [axes.get_title().partition(": ")[2] for axes in figure.axes]
    assert titles == ["exact accuracy at the end", "coverage at the end", "exact entropy at the end"]
    assert np.asarray(figure.axes[1].get_images()[0].get_array()) == pytest.approx(np.full((2, 3), 0.25))
    assert figure.get_size_inches()[0] == pytest.approx(16.5)


def test_letters_are_dark_on_bright_cells():
    lines = [line("calibrl", (1,), (value,), {"slope": 0.0, "exploration_weight": 0.1}) for value in (0.56,)]
    lines += [line("calibrl", (0.55,), (1.0,), {"slope": 1.0, "exploration_weight": 0.1})]
    figure = section_figure(section(lines, {"slope": [0.0, 1.0], "exploration_weight": [0.1]}), [0])
    accuracy, entropy = figure.axes
    assert [text.get_color() for text in accuracy.texts] == ["black", "white"]
    assert [text.get_color() for text in entropy.texts] == ["black", "black"]


def test_a_method_without_the_second_axis_is_a_single_row():
    single = [line("grpo", (0.2,), (1,), {"slope": slope}) for slope in AXES["slope"]]
    figure = section_figure(section([*single, *cells()], AXES), STEPS)
    assert len(figure.axes) == 4
    first, second = figure.axes[0], figure.axes[2]
    assert np.asarray(first.get_images()[0].get_array()).shape == (1, 3)
    assert np.asarray(second.get_images()[0].get_array()).shape == (2, 3)
    assert len(first.get_yticks()) == 0
    assert first.get_title().startswith("GRPO")
    assert second.get_title().startswith("CalibRL")
    heights = first.get_subplotspec().get_gridspec().get_height_ratios()
    assert heights == pytest.approx([1.45, 1.9])
    assert figure.get_size_inches()[1] == pytest.approx(0.4 + 1.05 * 3.35)


def test_a_map_without_entropy_has_a_scale_all_the_same():
    zero = [line("calibrl", (0.0,), (0.0,), {"slope": 0.0, "exploration_weight": 0.1})]
    figure = section_figure(section(zero, {"slope": [0.0], "exploration_weight": [0.1]}), [0])
    assert figure.axes[1].get_images()[0].get_clim() == (0.0, 1e-6)


def test_a_figure_is_saved_as_picture_and_drawing_without_a_date(tmp_path):
    figure = section_figure(section([line("a", (0.1, 0.2, 0.3), (3, 2, 1))]), STEPS)
    drawing = save_figure(figure, tmp_path / "main")
    assert drawing == tmp_path / "main.svg"
    assert (tmp_path / "main.png").read_bytes().startswith(b"\x89PNG")
    assert int.from_bytes((tmp_path / "main.png").read_bytes()[16:20], "big") == 12 * 150
    assert "<dc:date>" not in drawing.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"main.png", "main.svg"}
