import collections
import re

import pytest

from full_scale.data.rendered import FIGURES, NUMBER_PAIRS, rendered_problems
from full_scale.verifier.answer import is_correct


def pixels(problem):
    return problem.rgb_images()[0].tobytes()


def test_the_same_seed_gives_the_same_problems_and_another_does_not():
    first, again, other = (rendered_problems(12, seed=seed) for seed in (3, 3, 4))
    assert [(p.question, p.solution, pixels(p)) for p in first] == [(p.question, p.solution, pixels(p)) for p in again]
    assert [p.question for p in first] != [p.question for p in other]


def test_train_and_test_share_no_combination_of_kind_and_numbers():
    train = {(p.category, p.question) for p in rendered_problems(3000, seed=0)}
    test = {(p.category, p.question) for p in rendered_problems(1000, seed=0, split="test")}
    assert len(test) > 500
    assert not train & test


def test_the_question_does_not_reveal_the_figure():
    numbers = collections.defaultdict(set)
    for problem in rendered_problems(2000, seed=1):
        assert re.fullmatch(r"a=\d\d b=\d\d find x", problem.question)
        numbers[problem.category].add(problem.question)
    assert set(numbers) == set(FIGURES)
    means = [sum(int(q[2:4]) for q in questions) / len(questions) for questions in numbers.values()]
    assert max(means) - min(means) < 4


def test_without_the_picture_the_best_rule_is_right_in_at_most_a_quarter():
    problems = rendered_problems(1200, seed=2)
    rules = {kind: figure.sum for kind, figure in FIGURES.items()}
    for rule in rules.values():
        right = sum(rule(*map(int, re.findall(r"\d+", p.question))).endswith(f"={p.answer}") for p in problems)
        assert right / len(problems) < 0.25


@pytest.mark.parametrize(
    ("kind", "literal"),
    [("triangle", 118), ("right", 28), ("circle", 298), ("crossing", 62), ("parallel", 18), ("quadrilateral", 152)],
)
def test_each_rule_by_hand_for_40_and_22(kind, literal):
    assert int(FIGURES[kind].sum(40, 22).rpartition("=")[2]) == literal


def test_the_expert_names_the_figure_first_and_its_answer_is_right():
    for problem in rendered_problems(60, seed=5):
        name, _, computation = problem.solution.partition(": ")
        assert name == problem.category
        *steps, answer = computation.split("=")  # every step of the computation has the same value
        values = [sum(int(term) for term in re.findall(r"[+-]?\d+", terms)) for terms in steps]
        assert set(values) == {int(answer)} == {int(problem.answer)}
        assert int(answer) > 0
        assert is_correct(f"<think>{problem.solution}</think><answer>{problem.answer}</answer>", problem)


@pytest.mark.parametrize("kind", FIGURES)
def test_every_figure_is_black_lines_on_white_inside_the_picture(kind):
    shapes = set()
    for problem in rendered_problems(20, seed=6, kinds=[kind]):
        image = problem.rgb_images()[0].convert("L")
        assert image.size == (112, 112)
        histogram = image.histogram()
        assert histogram[255] > 0.75 * 112 * 112
        assert sum(histogram[:100]) > 100
        edge = [image.getpixel((x, y)) for x in range(112) for y in (0, 111)]
        assert sum(value < 128 for value in edge) < 12  # a turned line may just leave the picture
        shapes.add(image.tobytes())
    assert len(shapes) == 20


def test_a_size_can_be_chosen():
    for size in (28, 56):
        assert rendered_problems(1, seed=0, size=size)[0].rgb_images()[0].size == (size, size)


def test_all_angles_are_positive_and_the_two_differ():
    assert all(min(a, b) >= 10 and a + b <= 80 and abs(a - b) >= 5 for a, b in NUMBER_PAIRS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 9}, "size must be at least 28"),
        ({"size": 27}, "size must be at least 28 pixels, got 27"),
        ({"kinds": ["hexagon"]}, "kinds must be some of triangle, right"),
        ({"kinds": []}, "kinds must be some of"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        rendered_problems(**{"count": 1, "seed": 0, **arguments})
