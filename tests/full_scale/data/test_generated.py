"""What the generated data sets share: splits by content, what cannot be drawn, and how many are drawn."""

import random
from pathlib import Path

import pytest

from full_scale.data.arithmetic import arithmetic_problems
from full_scale.data.generated import COUNT, draw_until, generated_schema, split_of
from full_scale.data.pipelines import pipeline_problems
from full_scale.data.rendered import rendered_problems
from full_scale.data.schema import REWARD_RULE, Request
from full_scale.data.shortcut import shortcut_problems
from full_scale.data.word_problems import word_problems


def test_one_content_in_five_is_for_testing():
    splits = [split_of(f"content {number}") for number in range(2000)]
    assert 0.17 < splits.count("test") / 2000 < 0.23
    assert set(splits) == {"train", "test"}


@pytest.mark.parametrize(
    "draw", [rendered_problems, shortcut_problems, pipeline_problems, word_problems, arithmetic_problems]
)
@pytest.mark.parametrize(
    ("count", "split", "message"),
    [(0, "train", "count=0: expected at least 1"), (1, "dev", "split='dev': expected 'train' or 'test'")],
)
def test_what_cannot_be_drawn_is_refused(draw, count, split, message):
    with pytest.raises(ValueError, match=message):
        draw(count, seed=0, split=split)


@pytest.mark.parametrize(("limit", "count"), [(None, COUNT), (7, 7)])
def test_as_many_are_drawn_as_are_asked_for(limit, count):
    drawn = []
    schema = generated_schema("world", lambda *asked, **how: drawn.append((asked, how)) or ["drawn"], __file__)
    request = Request(path=Path("any"), split="test", seed=3, limit=limit)
    (record,) = schema.read(request)
    assert schema.problem(record, request.path) == "drawn"
    assert drawn == [((count,), {"seed": 3, "split": "test"})]
    assert (schema.name, schema.source, schema.shipped) == ("world", "world", Path(__file__))


def test_a_generated_schema_is_asked_for_by_name_alone_and_has_the_trainings_own_rule():
    def of(**options):
        return generated_schema("world", lambda *_, **__: [], __file__, **options)

    assert of().official is None
    assert of().splits == ("train", "test")
    assert not of().recognise(Path(__file__))
    assert (of().reward_rule, of(reward_rule="a rule").reward_rule) == (REWARD_RULE, "a rule")


def test_draws_go_on_until_there_are_enough_and_each_split_has_its_own():
    def draw(place, rng):
        number = rng.random()
        return (place, number) if number < 0.5 else None

    stream = random.Random("3-test")
    below = [number for number in (stream.random() for _ in range(100)) if number < 0.5]
    drawn = draw_until(20, seed=3, split="test", draw=draw)
    assert drawn == list(enumerate(below[:20]))
    assert drawn != draw_until(20, seed=3, split="train", draw=draw)
