"""The formulas shown are the functions' own: LaTeX as in the table, the line in the docstring, the values equal."""

import inspect
import math
import re

import pytest
import torch
from course.build import convert, sources
from course.cheat_sheet import CHEAT_SHEET, written
from course.formulas import FORMULAS
from latex2mathml.converter import convert as to_mathml

import calibrl_ref

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
    assert FORMULAS[name].line in inspect.getdoc(getattr(calibrl_ref, name))


@pytest.mark.parametrize("name", FORMULAS)
def test_latex_becomes_mathml_without_a_rest(name):
    mathml = to_mathml(FORMULAS[name].latex)
    assert mathml.startswith("<math")
    assert "\\" not in mathml


@pytest.mark.parametrize("name", VALUES)
def test_the_formula_worked_out_by_hand_is_the_functions_value(name):
    expected, value = VALUES[name]
    assert float(value(getattr(calibrl_ref, name))) == pytest.approx(expected, rel=1e-9)


def test_nearly_every_formula_is_worked_out():
    assert set(FORMULAS) - set(VALUES) == {"token_covariance", "Imitation"}  # of a whole batch; see tests/core


def test_the_cheat_sheet_is_up_to_date():
    assert CHEAT_SHEET.read_text(encoding="utf-8") == written(), "run: python -m course.cheat_sheet"
