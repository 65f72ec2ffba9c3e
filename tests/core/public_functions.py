"""One valid call of every public function of the core, with the defaults that its sources give."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from conftest import make_rollouts
from torch import Tensor

import calibrl_ref as c


@dataclass(frozen=True)
class Call:
    """A public function's name, valid inputs, and what holds for it.

    ``defaults`` are written out here, so that a changed default is a failing test. ``constant`` says why no gradient
    leaves the function; without it, every floating-point input must pass gradcheck but those in ``stopped``.
    """

    name: str
    inputs: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)
    constant: str = ""
    stopped: tuple[str, ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        return getattr(c, self.name)

    def __call__(self, **changes: Any) -> Any:
        return self.function(**{**self.inputs, **changes})

    def tensors(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.inputs.items() if isinstance(value, Tensor)}


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


LOG_PROB, OLD = column(-0.5, -1.0, -2.0), column(-0.7, -0.9, -2.5)
REWARD, ADVANTAGE = column(0.0, 1.1, 1.0), column(1.0, -2.0, 0.5)
CORRECT, NO_EXPERT = torch.tensor([True, False, True]), torch.tensor([False, False, False])
GROUP = torch.tensor([4, 4, 9])
MATRIX = column(-0.5, -1.0, -2.0, -0.3, -0.8, -1.5).view(2, 3)
OLD_MATRIX = MATRIX + column(0.3, -0.9, 0.1, -0.4, 0.6, 0.2).view(2, 3)
WEIGHTS = column(-1.0, -2.0, 0.5, 1.5, 2.0, -1.0).view(2, 3)
RATIO = column(0.5, 4.5, 1.1, 1.3, 0.9, 3.5).view(2, 3)
MASK = torch.tensor([[True, True, True], [True, True, False]])
LOGITS = column(*range(24)).view(2, 3, 4).sin()
TOKENS = torch.tensor([[0, 3, 1], [2, 2, 0]])
HIDDEN, HEAD = column(*range(12)).view(2, 3, 2).cos(), column(*range(8)).view(4, 2).sin()
ON_POLICY = {"token_log_prob": LOG_PROB, "old_token_log_prob": OLD}
IN_ROWS = {"token_log_prob": MATRIX, "old_token_log_prob": OLD_MATRIX, "mask": MASK}
CLIP = {"clip_low": 0.2, "clip_high": 0.2}
DATA, READ_ONLY = "rewards and verdicts are data", "a diagnostic"

CALLS = (
    Call("advantage_weight", {"advantage": ADVANTAGE}, constant="|A| is a weight, no target"),
    Call(
        "aggregate",
        {"loss": MATRIX, "mask": MASK},
        {"mode": "token_mean", "max_length": None, "divisor": None},
    ),
    Call(
        "aggregation_divisor",
        {"mask": MASK},
        {"mode": "token_mean", "max_length": None, "replica": None},
        constant="a function of the mask",
    ),
    Call("approx_kl", IN_ROWS, constant=READ_ONLY),
    Call(
        "chunked_token_log_probs",
        {"hidden": HIDDEN, "weight": HEAD, "tokens": TOKENS},
        {"chunk_size": 1024, "temperature": 1.0},
    ),
    Call(
        "chunked_token_log_probs_and_entropy",
        {"hidden": HIDDEN, "weight": HEAD, "tokens": TOKENS},
        {"chunk_size": 1024, "temperature": 1.0},
    ),
    Call("clip_fraction", {"ratio": RATIO, "advantage": WEIGHTS, "mask": MASK}, CLIP, constant=READ_ONLY),
    Call(
        "clipped_surrogate", {"ratio": RATIO, "advantage": WEIGHTS}, CLIP | {"dual_clip": None}, stopped=("advantage",)
    ),
    Call(
        "confidence_advantage",
        {"advantage": ADVANTAGE, "shift": column(0.5, -1.0, 2.0)},
        {"alpha": 1.0, "gate": "softplus"},
        constant="a weight of data",
    ),
    Call("correctness_sign", {"correct": CORRECT}, constant=DATA),
    Call(
        "dual_clip_fraction",
        {"ratio": RATIO, "advantage": WEIGHTS, "mask": MASK},
        {"dual_clip": 3.0},
        constant=READ_ONLY,
    ),
    Call(
        "expected_calibration_error",
        {"confidence": column(0.31, 0.39, 0.95), "correct": CORRECT},
        {"bins": 10},
        constant=READ_ONLY,
    ),
    Call("expert_row", {"group": GROUP, "is_expert": torch.tensor([False, True, False])}, constant="an index"),
    Call(
        "exploration_coefficients",
        {"gap": column(0.4, -0.3, -0.2), "correct": CORRECT, "advantage": ADVANTAGE, "group": GROUP},
        {"slope": 0.5},
        constant=READ_ONLY,
    ),
    Call(
        "exploration_loss",
        {"policy_log_prob": LOG_PROB, "expert_log_prob": OLD, "correct": CORRECT, "advantage": ADVANTAGE},
        {"slope": 0.5, "gate": c.leaky_relu_gate},
        stopped=("advantage",),
    ),
    Call(
        "group_advantage",
        {"reward": REWARD, "group": GROUP},
        {"is_expert": None, "scale_by_std": True, "std_epsilon": 1e-6, "count_expert": False},
        constant=DATA,
    ),
    Call("importance_ratio", ON_POLICY, stopped=("old_token_log_prob",)),
    Call(
        "informative_groups",
        {"reward": CORRECT.double(), "advantage": ADVANTAGE, "group": GROUP, "is_expert": NO_EXPERT},
        {"correct": None},
        constant="a selection of rows",
    ),
    Call(
        "k3_kl",
        {"token_log_prob": LOG_PROB, "reference_token_log_prob": OLD},
        stopped=("reference_token_log_prob",),
    ),
    Call("leaky_relu_gate", {"x": ADVANTAGE}, {"slope": 0.5}),
    Call("linear_gate", {"x": ADVANTAGE}, {"slope": 1.0}),
    Call("log_prob_gap", {"policy_log_prob": LOG_PROB, "expert_log_prob": OLD}),
    Call("luffy_shaping", ON_POLICY, {"gamma": 0.1}, stopped=("old_token_log_prob",)),
    Call(
        "off_policy_surrogate",
        ON_POLICY | {"advantage": ADVANTAGE},
        {"shape": "luffy", "gamma": None},
        stopped=("old_token_log_prob", "advantage"),
    ),
    Call("predicted_entropy_change", {"logits": LOGITS, "logit_change": LOGITS.cos()}, constant=READ_ONLY),
    Call("quadrant_table", {"gap": column(0.4, -0.3, 2.0), "correct": CORRECT}, {"slope": 0.5}, constant=READ_ONLY),
    Call("random_gate", {"x": ADVANTAGE, "uniform": column(0.1, 0.9, 0.4)}, {"slope": 0.5}),
    Call("relu_gate", {"x": ADVANTAGE}, {"slope": 0.0}),
    Call("rl_plus_shaping", ON_POLICY, {"gamma": 0.5}, stopped=("token_log_prob", "old_token_log_prob")),
    Call("sequence_importance_ratio", IN_ROWS, stopped=("old_token_log_prob",)),
    Call("sigmoid_gate", {"x": ADVANTAGE}, {"slope": 0.0}),
    Call(
        "sigmoid_surrogate",
        {"ratio": RATIO, "advantage": WEIGHTS},
        {"tau_positive": 1.0, "tau_negative": 1.05},
        stopped=("advantage",),
    ),
    Call("softplus_gate", {"x": ADVANTAGE}, {"slope": 0.0}),
    Call("token_covariance", {"rollouts": make_rollouts(0)}, constant="it selects tokens"),
    Call("token_entropy", {"logits": LOGITS}, {"temperature": 1.0}),
    Call("token_log_probs", {"logits": LOGITS, "tokens": TOKENS}, {"temperature": 1.0}),
    Call("token_log_probs_and_entropy", {"logits": LOGITS, "tokens": TOKENS}, {"temperature": 1.0}),
    Call(
        "top_entropy_tokens",
        {"entropy": MATRIX.abs(), "counted": MASK},
        {"fraction": 0.2, "replica": None},
        constant="it selects tokens",
    ),
    Call("trajectory_log_prob", {"token_log_prob": MATRIX, "mask": MASK}),
    Call(
        "truncated_mismatch_weight",
        {"old_token_log_prob": OLD, "sampler_token_log_prob": LOG_PROB},
        {"cap": 2.0},
        constant="a weight of data",
    ),
    Call(
        "truncated_reinforce",
        {"log_prob": MATRIX, "ratio": RATIO, "advantage": WEIGHTS},
        {"ratio_low": None, "ratio_high": 5.0},
        stopped=("ratio", "advantage"),
    ),
)

# these make and read recipes and methods: test_recipes.py, test_recipe_reader.py, test_schedules.py
# and these take no bare tensors: test_schedules.py, test_replay.py, test_linearisation.py
WITHOUT_TENSORS = {"anchor", "chord_mu", "draw_prompts", "linearise", "remember", "replay_weights", "solved_ratio"}
OF_RECIPES = {"hyper_parameters", "hyper_parameters_of", "read_method", "recipe"}
FUNCTIONS = sorted({name for name in c.__all__ if inspect.isfunction(getattr(c, name))} - OF_RECIPES - WITHOUT_TENSORS)
