"""The page of costs is the formula's, and the formula agrees with what was measured on the tiny model."""

import pytest
from cost import PAGE, PICTURE, TINY, draw, growth, points, points_of_growth, work, written

from benchmarks.full_scale import Load
from full_scale.model.checkpoint import TINY_MODEL, load_model

POINTS = [*points(), *points_of_growth(growth())]


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == written(), "run: python docs/cost.py"
    assert PICTURE.stat().st_size > 10_000


@pytest.mark.parametrize(("name", "formula", "measured"), [pytest.param(*point, id=point[0]) for point in POINTS])
def test_the_formula_is_within_a_third_of_what_was_measured(name, formula, measured):
    assert formula == pytest.approx(measured, rel=1 / 3), name


def test_the_tiny_models_size_is_that_of_the_shipped_one():
    model = load_model(TINY_MODEL)
    text, parts = model.config.text_config, (model, model.model.visual, model.model.language_model.layers)
    counted = [sum(weight.numel() for weight in part.parameters()) for part in parts]
    assert counted == [TINY.parameters, TINY.vision, TINY.stack]
    assert (text.num_hidden_layers, text.hidden_size, text.intermediate_size) == (TINY.layers, TINY.width, TINY.inner)
    assert (text.num_key_value_heads, text.num_attention_heads, text.vocab_size) == (4, 4, TINY.vocabulary)


def test_its_prompts_have_the_measured_ones_tokens():
    assert [work(Load(pixels=pixels)).prompt for pixels in (112, 448)] == [45, 285]


def test_each_panel_shows_both_at_every_point():
    panels = draw(growth()).axes
    assert [[len(line.get_xdata()) for line in panel.lines] for panel in panels] == [[3, 3], [4, 4], [3, 3]]
