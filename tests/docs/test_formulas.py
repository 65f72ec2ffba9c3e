"""The formulas shown are the functions' own: LaTeX as in the table, the line in the docstring, the values equal."""

import inspect
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from course.build import convert, sources
from formulas import FORMULAS, PAGE, function_of, written
from latex2mathml.converter import convert as to_mathml

import calibrl_ref
from calibrl_ref import Rollouts
from toy.world.kinds import Kind

TESTS = Path(__file__).parents[1]
WITHOUT_FORMULA = {
    "anchor",  # the buffer of own successes
    "draw_prompts",
    "remember",
    "solved_ratio",
    "top_entropy_tokens",  # a quantile
    "aggregation_divisor",  # in the formulas of aggregate
    "chunked_token_log_probs",  # token_log_probs in pieces
    "chunked_token_log_probs_and_entropy",
    "clip_fraction",  # shares of tokens
    "dual_clip_fraction",
    "expert_row",  # an index
    "linearise",  # the derivatives of an objective, by autograd
    "hyper_parameters",  # read recipes
    "hyper_parameters_of",
    "read_method",
    "recipe",
    "quadrant_table",  # counts
    "token_log_probs_and_entropy",
}
SHOWN = [
    (source.stem, name, latex)
    for source in sources()
    for cell in convert(source).cells
    if cell.cell_type == "markdown"
    for name, latex in re.findall(r"<!-- formula: (\w+) -->\s*\$\$(.+?)\$\$", cell.source, re.DOTALL)
]
LOGITS, TARGET = [1.0, -0.5, 0.25], 2
LOG_PROBS = [z - math.log(sum(math.exp(other) for other in LOGITS)) for z in LOGITS]
PROBS = [math.exp(value) for value in LOG_PROBS]


def one(*values):
    return torch.tensor(values, dtype=torch.float64)


def mean(values):
    return sum(values) / len(values)


def covariance_case():
    change = [0.1, -0.2, 0.05]
    centre = sum(p * c for p, c in zip(PROBS, change, strict=True))
    return -sum(p * v * (c - centre) for p, v, c in zip(PROBS, LOG_PROBS, change, strict=True)), change


def batch():
    """Two answers and an expert's, each of two tokens."""
    return Rollouts(
        token_log_prob=torch.tensor([[-1.0, -2.0], [-0.5, -1.6], [-2.0, -3.0]], dtype=torch.float64),
        old_token_log_prob=torch.tensor([[-1.2, -2.0], [-0.5, -1.0], [-2.0, -3.0]], dtype=torch.float64),
        mask=torch.ones(3, 2, dtype=torch.bool),
        group=torch.zeros(3, dtype=torch.long),
        is_expert=torch.tensor([False, False, True]),
        correct=torch.tensor([True, False, True]),
        advantage=torch.tensor([0.75, -0.25, 0.0], dtype=torch.float64),
        token_entropy=torch.tensor([[0.5, 0.6], [0.7, 0.8], [0.9, 1.0]], dtype=torch.float64),
        reference_token_log_prob=torch.tensor([[-1.1, -2.0], [-0.5, -1.4], [-2.0, -3.0]], dtype=torch.float64),
    )


LOSS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, 9.0]], dtype=torch.float64)
MASK = torch.tensor([[True, True, True], [True, False, False]])


def aggregated(mode, **settings):
    return lambda f: f(LOSS, MASK, mode=mode, **settings)


PATHS = one(0.5, 0.3, 0.2)

# name -> (the LaTeX, worked out by hand with the standard library; the function's value)
VALUES = {
    "token_log_probs": (LOG_PROBS[2], lambda f: f(one(*LOGITS), torch.tensor(2))),
    "token_entropy": (-sum(p * v for p, v in zip(PROBS, LOG_PROBS, strict=True)), lambda f: f(one(*LOGITS))),
    "trajectory_log_prob": (-0.3 + -1.1, lambda f: f(one(-0.3, -1.1)[None], torch.tensor([[True, True]]))[0]),
    "predicted_entropy_change": (covariance_case()[0], lambda f: f(one(*LOGITS), one(*covariance_case()[1]))),
    "group_advantage": (
        (1 - 1 / 3) / (math.sqrt(2 * (1 / 3) ** 2 / 2 + (2 / 3) ** 2 / 2) + 1e-6),
        lambda f: f(one(0, 1, 0), torch.zeros(3, dtype=torch.long))[1],
    ),
    "importance_ratio": (math.exp(-0.3 + 0.7), lambda f: f(one(-0.3), one(-0.7))[0]),
    "sequence_importance_ratio": (
        math.exp(mean([-0.3 + 0.7, -1.0 + 0.2])),
        lambda f: f(one(-0.3, -1.0)[None], one(-0.7, -0.2)[None], torch.ones(1, 2, dtype=torch.bool))[0, 0],
    ),
    "clipped_surrogate": (max(-1.5 * 2.0, -1.2 * 2.0), lambda f: f(one(1.5), one(2.0))[0]),
    "truncated_mismatch_weight": (math.exp(-0.4), lambda f: f(one(-0.7), one(-0.3), cap=2.0)[0]),
    "k3_kl": (math.exp(-0.4) + 0.4 - 1, lambda f: f(one(-0.3), one(-0.7))[0]),
    "log_prob_gap": (-1.0 + 3.0, lambda f: f(one(-1.0), one(-3.0))[0]),
    "correctness_sign": (-1.0, lambda f: f(torch.tensor(False))),
    "leaky_relu_gate": (0.3 * -2.0, lambda f: f(one(-2.0), slope=0.3)[0]),
    "advantage_weight": (1.5, lambda f: f(one(-1.5))[0]),
    "exploration_loss": (
        1.5 * (0.3 * (-1 * (-1.0 + 3.0))),
        lambda f: f(one(-1.0), one(-3.0), torch.tensor([True]), one(1.5), slope=0.3)[0],
    ),
    "exploration_coefficients": (
        -(1 * 0.5 * 0.3 + -1 * 0.5 * 1.0),
        lambda f: f(one(2, 2), torch.tensor([True, False]), one(0.5, -0.5), torch.zeros(2).long(), slope=0.3)[1][0],
    ),
    "relu_gate": (0.0, lambda f: f(one(-2.0))[0]),
    "softplus_gate": (0.3 * -2.0 + 0.7 * math.log(1 + math.exp(-2.0)), lambda f: f(one(-2.0), slope=0.3)[0]),
    "sigmoid_gate": (1 / (1 + math.exp(2.0)), lambda f: f(one(-2.0))[0]),
    "luffy_shaping": (0.25 / (0.25 + 0.1), lambda f: f(one(math.log(0.25)), one(0.0))[0]),
    "rl_plus_shaping": (
        2 * 0.25 / (0.5 + 0.5 * (0.5 + 1)) * (1 - 0.25) ** 0.5,
        lambda f: f(one(math.log(0.25)), one(math.log(0.5)))[0],
    ),
    "off_policy_surrogate": (
        -2.0 * 0.25 / (0.25 + 0.1),
        lambda f: f(one(math.log(0.25)), one(0.0), one(2.0))[0],
    ),
    "clipped_surrogate(dual_clip=c)": (
        min(-5.0 * -2.0, -3.0 * -2.0),
        lambda f: f(one(5.0), one(-2.0), dual_clip=3.0)[0],
    ),
    "KLPenalty": (0.5 * (math.exp(-0.1) + 0.1 - 1), lambda f: f(weight=0.5)(batch())[0, 0]),
    "EntropyBonus": (-0.3 * 0.7, lambda f: f(weight=0.3)(batch())[1, 0]),
    "aggregate(mode='token_mean')": ((1 + 2 + 3 + 4) / 4, aggregated("token_mean")),
    "aggregate(mode='sequence_mean_token_mean')": ((6 / 3 + 4 / 1) / 2, aggregated("sequence_mean_token_mean")),
    "aggregate(mode='sequence_mean_token_sum')": ((6 + 4) / 2, aggregated("sequence_mean_token_sum")),
    "aggregate(mode='constant_length')": ((6 + 4) / (2 * 5), aggregated("constant_length", max_length=5)),
    "aggregate(mode='constant_length_sum')": ((6 + 4) / 5, aggregated("constant_length_sum", max_length=5)),
    "OverlongPenalty": ((10 - 4 - 9) / 4, lambda f: f(max_length=10, buffer=4)(torch.tensor([9]))[0]),
    "PruneByAdvantage": (
        max(1, math.floor(0.7 * 3)),
        lambda f: f(keep_fraction=0.7)(
            one(1, 0, 0), one(2, -1, -1), torch.zeros(3).long(), torch.zeros(3).bool()
        ).sum(),
    ),
    "informative_groups": (
        2,
        lambda f: f(one(1, 0, 1, 1), one(1, -1, 0, 0), torch.tensor([0, 0, 1, 1]), torch.zeros(4).bool()).sum(),
    ),
    "truncated_reinforce": (-5.0 * 2.0 * -0.7, lambda f: f(one(-0.7), one(9.0), one(2.0))[0]),
    "sigmoid_surrogate": (
        -4 / 0.5 / (1 + math.exp(-0.5 * 2.0)) * 1.5,
        lambda f: f(one(3.0), one(1.5), tau_positive=0.5)[0],
    ),
    "confidence_advantage": (
        -2.0 * (1 + 0.5 * math.log(1 + math.exp(0.3))),
        lambda f: f(one(-2.0), one(0.3), alpha=0.5)[0],
    ),
    "WeightedImitation": (
        0.5 * math.exp(-3.0) * (1 - math.exp(-3.0)) * 3.0,
        lambda f: f(weight=0.5, weighting="phi")(batch())[2, 1],
    ),
    "chord_mu": (0.05 + 0.85 * (1 + math.cos(math.pi * 30 / 200)) / 2, lambda f: f(40, warmup=10)),
    "replay_weights": (0.25 * 0.75, lambda f: f({"p": calibrl_ref.Remembered(solved=0.25)})["p"]),
    "token_covariance": ((0.75 - 0.25) * (-2.0 + 1.275), lambda f: f(batch())[0, 1]),
    "KLCovSurrogate": (
        # the highest covariance is the wrong answer's second token: -0.5 x -0.325
        -math.exp(-1.6 + 1.0) * -0.25 + 0.5 * abs(-1.6 + 1.0),
        lambda f: f(fraction=0.25, weight=0.5)(batch())[1, 1],
    ),
    "linear_gate": (-2.0, lambda f: f(one(-2.0), slope=0.3)[0]),
    "random_gate": (-2.0 * 0.3, lambda f: f(one(-2.0), one(0.9), slope=0.3)[0]),
    "Imitation": (3.0, lambda f: f()(batch())[2, 1]),
    "approx_kl": (
        mean([-1.2 + 1.0, -2.0 + 2.0]),
        lambda f: f(one(-1.0, -2.0)[None], one(-1.2, -2.0)[None], MASK[:1, :2]),
    ),
    "expected_calibration_error": (
        2 / 3 * abs(0.5 - 0.75) + 1 / 3 * abs(1.0 - 0.35),
        lambda f: f(one(0.75, 0.75, 0.35), torch.tensor([True, False, True])),
    ),
    "accuracy": (0.5 * 0.9 + 0.3 * 0.1 + 0.2 * 0.6, lambda f: f(PATHS.log(), one(0.9, 0.1, 0.6))),
    "Enumeration.entropy": (
        -sum(p * math.log(p) for p in (0.5, 0.3, 0.2)) / 2,
        lambda f: f(SimpleNamespace(tree=SimpleNamespace(depth=2)), PATHS.log()),
    ),
    "sound_coverage": (
        mean([1 - (1 - 0.5) ** 4, 1 - (1 - 0.2) ** 4]),
        lambda f: f(PATHS.log(), torch.tensor([Kind.SOUND, Kind.SHORTCUT, Kind.SOUND]), draws=4),
    ),
    "pass_at_k": (1 - math.comb(8 - 3, 2) / math.comb(8, 2), lambda f: f(np.array([3]), samples=8, k=2)[0]),
    "wilson_interval": (
        (0.3 + 1.96**2 / 20 - 1.96 * math.sqrt(0.3 * 0.7 / 10 + 1.96**2 / 400)) / (1 + 1.96**2 / 10),
        lambda f: f(3, 10)[0],
    ),
    "mcnemar_p": (2 ** (1 - 6) * (1 + 6), lambda f: f(1, 5)),
    "SlopeController": (0.5 + 0.1 * (0.3 - 1.0), lambda f: f(target_entropy=1.0, rate=0.1)(0.5, 0.3)),
}


def test_notebooks_show_formulas():
    assert SHOWN


@pytest.mark.parametrize(("stem", "name", "latex"), SHOWN)
def test_formula_of_a_notebook_is_that_of_the_table(stem, name, latex):
    assert "".join(latex.split()) == "".join(FORMULAS[name].latex.split())


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_every_comment_is_followed_by_its_formula(source):
    cells = [cell.source for cell in convert(source).cells if cell.cell_type == "markdown"]
    comments = sum(cell.count("<!-- formula:") for cell in cells)
    assert comments == sum(stem == source.stem for stem, *_ in SHOWN)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_functions_docstring_has_the_line(name):
    assert FORMULAS[name].line in inspect.getdoc(function_of(name))


@pytest.mark.parametrize("name", FORMULAS)
def test_latex_becomes_mathml_without_a_rest(name):
    mathml = to_mathml(FORMULAS[name].latex)
    assert mathml.startswith("<math")
    assert "\\" not in mathml


@pytest.mark.parametrize("name", VALUES)
def test_the_formula_worked_out_by_hand_is_the_functions_value(name):
    expected, value = VALUES[name]
    assert float(value(function_of(name))) == pytest.approx(
        expected, rel=1e-4 if name == "wilson_interval" else 1e-9
    )  # z is 1.95996


def test_every_formula_is_worked_out():
    assert set(VALUES) == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_named_test_file_tries_the_function(name):
    text = (TESTS / FORMULAS[name].test).read_text(encoding="utf-8")
    function = name.partition("(")[0].rpartition(".")[2].removesuffix("_gate")
    assert re.search(rf"\b{function}(_gate)?\b", text)


def test_every_public_function_has_a_formula_or_is_listed_without():
    functions = {name for name in calibrl_ref.__all__ if inspect.isfunction(getattr(calibrl_ref, name))}
    assert functions - {name.partition("(")[0] for name in FORMULAS} == WITHOUT_FORMULA


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == written(), "run: python docs/formulas.py"
