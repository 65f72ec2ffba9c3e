# %% [markdown]
# # The gate: what alpha does
#
# **The question.** Between the signed gap and the loss stands one small non-linearity, a LeakyReLU. Why is it there,
# and what does its slope $\alpha$ change in training?
#
# **Afterwards you can** derive the net push on the expert from the gate's slopes, read a gradient field, and say which
# part of the story about $\alpha$ the toy confirms and which it contradicts.
#
# **Time.** About 30 seconds on two cores to run, 25 minutes to read. It builds on
# [notebook 2](02_gap_and_sign.ipynb).

# %%
import numpy as np
import torch
from course import PALETTE, budget, check, draw_curve, look, panels, predict, show, solved, use_style
from matplotlib import colormaps

from calibrl_ref import (
    GATES,
    clipped_surrogate,
    exploration_coefficients,
    exploration_loss,
    group_advantage,
    importance_ratio,
    leaky_relu_gate,
)
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train, train_grid
from toy.studies.statistics import mean_interval
from toy.world import World

use_style()
SEEDS = range(budget(full=16, reduced=2))
STEPS = budget(full=600, reduced=30)

# %% [markdown]
# ## 1. The LeakyReLU and its kink
#
# <!-- formula: leaky_relu_gate -->
# $$g_\alpha(x) = x \text{ if } x > 0, \quad \alpha x \text{ else}$$
#
# Its argument is $x = -s\,\Delta$: positive where the policy stands on the wrong side of the expert. There the loss
# passes in full; elsewhere it is attenuated. The library has other gates of the same signature (`GATES`).

# %% tags=["hide-input"]
x = torch.linspace(-3, 3, 241, dtype=torch.float64, requires_grad=True)
figure, (axes, right) = panels(2, height=3.0)
for name, colour, dash in (
    ("leaky_relu", "red", "-"),
    ("softplus", "blue", "--"),
    ("relu", "orange", "-"),
    ("linear", "black", ":"),
    ("sigmoid", "green", "-"),
):
    value = GATES[name](x, slope=0.5)
    (derivative,) = torch.autograd.grad(value.sum(), [x])
    axes.plot(x.detach(), value.detach(), dash, color=PALETTE[colour], label=name)
    right.plot(x.detach(), derivative, dash, color=PALETTE[colour])
axes.set(xlabel="signed gap $x$ (nats)", ylabel="gate (nats)")
right.set(xlabel="signed gap $x$ (nats)", ylabel="derivative of the gate", ylim=(-0.05, 1.1))
axes.legend(fontsize=8)
show(figure, "Five gates and their derivatives: LeakyReLU jumps from alpha to one at zero, softplus does so smoothly.")

# %%
at_kink = torch.zeros(1, requires_grad=True)
(slope,) = torch.autograd.grad(leaky_relu_gate(at_kink, slope=0.5).sum(), [at_kink])
print(f"value at the kink {float(leaky_relu_gate(at_kink.detach(), slope=0.5))}, derivative there {float(slope)}")

# %% [markdown]
# Only the right panel matters for training: a gradient step sees the gate's *derivative*. It takes two values, 1 and
# $\alpha$. So the gate is a switch, and "how far beyond the expert" does not count. At the kink the derivative is
# $\alpha$, a convention; no gap of a real batch is exactly 0, unless the policy repeats the expert's response.

# %% [markdown]
# ### Exercise 3.1
# *Medium, 10 minutes.*
# Write a gate that passes through 0 at 0, has no kink, and whose derivative runs from `slope` far below 0 to 1 far
# above. (`GATES["softplus"]` has the derivative, but not the value at 0.)


# %% tags=["exercise"]
def smooth_gate(x: torch.Tensor, *, slope: float) -> torch.Tensor:
    """Return a smooth LeakyReLU that is 0 at 0."""
    return ...  # your code


# %% tags=["check"]
check("3.1", smooth_gate)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `GATES["softplus"]` has the right derivative everywhere. What may be added to a function without changing its
# derivative?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Take off a constant: its own value at 0, for the same slope.
#
# </details>
#
# <details><summary>Solution</summary>
#
# Shift the softplus; a constant changes no gradient, so it trains exactly as the unshifted one does.
#
# ```python
# def smooth_gate(x: torch.Tensor, *, slope: float) -> torch.Tensor:
#     """A softplus gate less its value at 0."""
#     softplus = GATES["softplus"]
#     return softplus(x, slope=slope) - softplus(torch.zeros_like(x), slope=slope)
# ```
#
# </details>

# %% [markdown]
# ## 2. What alpha does, by formula
#
# Each response pushes the expert the other way. Over a group that adds up to
#
# <!-- formula: exploration_coefficients -->
# $$c_i = s_i\,\lvert A_i \rvert\,g_i, \qquad c_{\mathrm{expert}} = -\sum_i s_i\,\lvert A_i \rvert\,g_i$$
#
# where $g_i$ is 1 or $\alpha$. [Notebook 2](02_gap_and_sign.ipynb) found that nearly every response is likelier than
# the expert's. Then right ones have $g = \alpha$ and wrong ones $g = 1$, and as advantages add up to zero,
# $c_{\mathrm{expert}} = (1 - \alpha) \sum_{\mathrm{right}} A_i$: the expert rises, the more so the smaller $\alpha$,
# and not at all at $\alpha = 1$.


# %%
def expert_push(right_ones: int, slope: float) -> float:
    """Return the push on the expert in a group of 8, all of them likelier than the expert's response."""
    correct, group = torch.arange(8) < right_ones, torch.zeros(8, dtype=torch.long)
    gaps = torch.full((8,), 2.0, dtype=torch.float64)
    _, push = exploration_coefficients(gaps, correct, group_advantage(correct.double(), group), group, slope=slope)
    return float(push[0])


for slope in (0.0, 0.5, 1.0):
    print(f"alpha {slope:.1f}: push on the expert {expert_push(4, slope):+.2f} with 4 of 8 right")

# %% tags=["hide-input"]
slopes = np.linspace(0, 1, 21)
figure, (axes,) = panels(height=3.0)
for right_ones, colour, dash in ((1, "orange", "-"), (4, "blue", "-"), (7, "green", "--")):
    push = [expert_push(right_ones, slope) for slope in slopes]
    axes.plot(slopes, push, dash, color=PALETTE[colour], label=f"{right_ones} of 8 right")
axes.set(xlabel="slope $\\alpha$", ylabel="push on the expert's log-probability", ylim=0)
axes.legend()
show(
    figure, "The push on the expert falls linearly with alpha and is zero at alpha one; largest for half right groups."
)

# %% [markdown]
# ### Exercise 3.2
# *Medium, 10 minutes.*
# A group of 4 has the advantages $+1.5, -0.5, -0.5, -0.5$; the first response is right, the others are wrong. The gaps
# are $-1, +2, +2, -3$ nats. What is the push on the expert with $\alpha = 0.4$? Work it out by hand.

# %% tags=["exercise"]
push_on_expert = ...  # your number


# %% tags=["check"]
check("3.2", push_on_expert)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# For each response find first whether the gate attenuates it: right and likelier than the expert, or wrong and less
# likely.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Then the directions: a right response pushes the expert down, a wrong one up. Add four numbers, two of them up and
# in full.
#
# </details>
#
# <details><summary>Solution</summary>
#
# The right response is *less* likely than the expert's, so it counts in full, and pushes the expert *down* by 1.5. Two
# wrong ones are likelier (0.5 each, up), one is less likely (0.4 times 0.5, up): $-1.5 + 0.5 + 0.5 + 0.2 = -0.3$.
#
# ```python
# push_on_expert = -1.5 + 0.5 + 0.5 + 0.4 * 0.5
# ```
#
# Here the expert *falls*: a policy that has something right that it under-represents is sent there, not to the expert.
#
# </details>

# %% [markdown]
# ## 3. A gradient field
#
# Three answers: a shortcut (right with chance 0.6), a sound one that the expert shows (0.95), a wrong one (0.02). Every
# policy is a point in a triangle, and with so few answers the *expected* update is exact: we weigh each answer and
# verdict by its probability. $\lambda$ weighs CalibRL's term beside GRPO's; ratio and clip in the code are those of
# [notebook 0](00_grpo_in_twenty_lines.ipynb).

# %%
CHANCES = torch.tensor([0.6, 0.95, 0.02], dtype=torch.float64)


def flow(policy: torch.Tensor, *, weight: float, slope: float) -> torch.Tensor:
    """Return how fast each logit moves under the expected update, [points, 3]; ``weight`` is lambda."""
    logits = policy.log().requires_grad_()
    log_prob = logits.log_softmax(-1)
    accuracy = (policy @ CHANCES).unsqueeze(-1)
    total = torch.zeros((), dtype=torch.float64)
    for verdict, chance in ((True, CHANCES), (False, 1 - CHANCES)):
        advantage = ((float(verdict) - accuracy) / (accuracy * (1 - accuracy)).sqrt()).expand_as(policy)
        loss = clipped_surrogate(importance_ratio(log_prob, log_prob.detach()), advantage)
        expert = log_prob[:, 1:2].expand_as(policy)
        correct = torch.full_like(policy, verdict, dtype=torch.bool)
        loss = loss + weight * exploration_loss(log_prob, expert, correct, advantage, slope=slope)
        total = total + (policy * chance * loss).sum()
    return -torch.autograd.grad(total, [logits])[0]


corner = torch.linspace(0.04, 0.92, 12, dtype=torch.float64)
shortcut, sound = (axis.flatten() for axis in torch.meshgrid(corner, corner, indexing="xy"))
inside = shortcut + sound < 0.99
policy = torch.stack([shortcut, sound, 1 - shortcut - sound], -1)[inside]

# %% tags=["hide-input"]
figure, axes = panels(2, height=3.3, sharey=True)
for panel, (title, weight) in zip(axes, (("GRPO", 0.0), ("CalibRL, $\\lambda$ = 1", 1.0)), strict=True):
    speed = flow(policy, weight=weight, slope=0.5)
    moved = policy * (speed - (policy * speed).sum(-1, keepdim=True))  # of the probabilities
    direction = moved[:, :2] / moved[:, :2].norm(dim=-1, keepdim=True)
    strength = moved[:, :2].norm(dim=-1)
    drawn = panel.quiver(
        *policy[:, :2].T, *direction.T, strength, cmap="cividis", scale=16, width=0.008, clim=(0, 0.15)
    )
    panel.plot([0, 1], [1, 0], color="black", linewidth=0.8)
    panel.set(title=title, xlabel="probability of the shortcut", xlim=(0, 1), ylim=(0, 1), aspect="equal")
axes[0].set_ylabel("probability of the sound answer")
figure.colorbar(drawn, ax=axes, label="speed", shrink=0.8)
show(
    figure,
    "Arrows of the expected update in the triangle of policies: under GRPO those low down bend towards the shortcut.",
)

# %% [markdown]
# Under GRPO the lower edge leads to the shortcut's corner: where the sound answer is rare, the shortcut is the
# better half of what is drawn, and gains. With CalibRL's term ($\lambda$ = 1 to make it visible) arrows turn upwards
# sooner, and even close to the corner they point away from it.
#
# The lower right corner decides: a policy that is sure of the shortcut. How fast does the *logit* of the sound answer
# gain on the shortcut's there?

# %%
rare = torch.logspace(-4, -0.5, 600, dtype=torch.float64)
line = torch.stack([0.9 - rare * 0.9, rare, 0.1 - rare * 0.1], -1)
settings = {
    "GRPO": (0.0, 0.5, ("#000000", "-")),
    "CalibRL, alpha 0": (0.1, 0.0, ("#D55E00", "--")),
    "CalibRL, alpha 0.5": (0.1, 0.5, ("#D55E00", "-")),
    "CalibRL, alpha 1": (0.1, 1.0, ("#D55E00", ":")),
}
gain = {}
for label, (weight, slope, _) in settings.items():
    speed = flow(line, weight=weight, slope=slope)
    gain[label] = speed[:, 1] - speed[:, 0]

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.2)
for label, (_, _, (colour, dash)) in settings.items():
    axes.plot(rare, gain[label], dash, color=colour, label=label)
axes.axhline(0.0, color="black", linewidth=0.8)
axes.set(xlabel="probability of the sound answer", ylabel="gain of its logit\non the shortcut's", xscale="log")
axes.set_ylim(-0.12, 0.12)
axes.legend(loc="lower right", fontsize=8)
show(
    figure,
    "Gain of the sound answer over the shortcut: negative under GRPO where it is rare, less so the smaller alpha.",
)
for label, values in gain.items():
    catches_up = float(rare[int((values > 0).nonzero()[0])])
    print(f"{label:20s} at a probability of 0.0001: {float(values[0]):+.4f}; above zero from {catches_up:.1%} on")

# %% [markdown]
# Each curve crosses zero at the probability from which on the sound answer catches up. GRPO needs about 7 %; CalibRL
# with $\lambda = 0.1$ needs 4 % at $\alpha = 0.5$ and 1 % at $\alpha = 0$. So the term does not *find* the sound
# answer: it lowers the bar from which on it wins, and slows its loss below the bar. At $\alpha = 1$ the curve is GRPO's
# times 1.1.
#
# ## 4. From the formula to a training curve
#
# Six slopes and GRPO, all seeds in one tensor program (`train_grid`).

# %% [markdown]
# **Predict, then look.** Six slopes at $\lambda = 0.1$. Which of them has the *highest* entropy at the end of training?
#
# - (a) 0: the strongest push on the expert
# - (b) 0.8
# - (c) 1: nothing attenuated

# %%
predict("3a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
training = Training(steps=STEPS, points=41)
ALPHAS = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
grid = train_grid(parse_method("calibrl"), World(), training, SEEDS, [{"slope": alpha} for alpha in ALPHAS])
grpo = train(parse_method("grpo"), World(), training, SEEDS)

# %% tags=["hide-input"]
figure, (axes, right) = panels(1, 2, height=2.7, sharex=True)
ramp = colormaps["viridis"](np.linspace(0, 0.9, len(ALPHAS)))
for alpha, colour, curves in zip(ALPHAS, ramp, grid, strict=True):
    for panel, quantity in ((axes, "entropy"), (right, "accuracy")):
        draw_curve(panel, training.recorded_steps, curves[quantity], "calibrl", label=f"{alpha:g}", style=(colour, "-"))
for panel, quantity in ((axes, "entropy"), (right, "accuracy")):
    draw_curve(panel, training.recorded_steps, grpo[quantity], "grpo", label="GRPO", style=("black", "--"))
axes.set(ylabel="entropy\n(nats per decision)", ylim=0, xlabel="")
right.set(ylabel="accuracy", ylim=(0, 1))
axes.legend(title="slope $\\alpha$", ncols=2, fontsize=8)
show(
    figure, "Entropy and accuracy for six slopes: small slopes reach the sound paths first, slope one behaves as GRPO."
)

early = training.recorded_steps.index(min(training.recorded_steps, key=lambda step: abs(step - 105)))
print(f"{'':10s}entropy at step {training.recorded_steps[early]:3d}   entropy at the end      accuracy, solved by")
for name, curves in {**{f"alpha {a:g}": c for a, c in zip(ALPHAS, grid, strict=True)}, "GRPO": grpo}.items():
    intervals = ("{:.3f} [{:.3f}, {:.3f}]".format(*mean_interval(curves["entropy"][when])) for when in (early, -1))
    accuracy = curves["accuracy"][-1]
    print(f"{name:10s}{'   '.join(intervals)}   {accuracy.mean():.3f}  {solved(accuracy)}")

# %%
look("3a")

# %% [markdown]
# Confirmed: while all runs still search (the first column), a smaller $\alpha$ keeps more entropy, and finds the
# sound paths sooner; at $\alpha = 1$ CalibRL is GRPO.
#
# Contradicted, *at this* $\lambda$: the final entropy does not fall with $\alpha$. It is highest at 0.8, where most
# runs have found nothing and go on searching; runs that have found a sound path are sure of it. The paper finds 0.5
# better than 0.3 and 0.8; here every slope up to 0.5 ends at the same accuracy, and the smallest gets there first.
#
# At $\lambda = 1$, ten times the paper's, it is another story. The term then goes on working after a sound path has
# been found, and spreads the policy over all that the expert shows and the verifier accepts. *Coverage* is the share of
# the sound paths that a batch of this policy still meets.

# %%
heavy = train_grid(
    parse_method("calibrl:exploration_weight=1"), World(), training, SEEDS, [{"slope": alpha} for alpha in ALPHAS]
)
print("lambda 1    entropy at the end      coverage   accuracy, solved by")
for alpha, curves in zip(ALPHAS, heavy, strict=True):
    entropy = "{:.3f} [{:.3f}, {:.3f}]".format(*mean_interval(curves["entropy"][-1]))
    accuracy, coverage = curves["accuracy"][-1], curves["coverage"][-1].mean()
    print(f"alpha {alpha:<5g} {entropy}   {coverage:.2f}       {accuracy.mean():.3f}  {solved(accuracy)}")

# %% tags=["hide-input"]
figure, (axes,) = panels(height=2.8)
for weight, curves, style in (("0.1", grid, "o--"), ("1", heavy, "s-")):
    final = [mean_interval(curve["entropy"][-1]) for curve in curves]
    error = [[mean - low for mean, low, _ in final], [high - mean for mean, _, high in final]]
    axes.errorbar(ALPHAS, [mean for mean, *_ in final], error, fmt=style, color=PALETTE["red"], capsize=3, label=weight)
axes.set(xlabel="slope $\\alpha$", ylabel="entropy at the end\n(nats per decision)", ylim=0)
axes.legend(title="$\\lambda$")
show(
    figure,
    "Final entropy over alpha: at lambda 1 it falls from alpha 0 to 1, at lambda 0.1 it is low but for alpha 0.8.",
)

# %% [markdown]
# **At** $\lambda = 1$ **the final entropy falls with** $\alpha$, as the paper has it, and so does the coverage. So
# "alpha controls the entropy" needs a weight at which the term still has something to say when the search is over.
# What sets the scale of such a weight is the question of [notebook 5](05_the_whole_objective.ipynb).

# %% [markdown]
# ## 5. Other gates in training

# %%
NAMES = {
    "calibrl": "LeakyReLU",
    "calibrl_relu": "ReLU",
    "calibrl_softplus": "softplus",
    "calibrl_linear": "linear (no gate)",
    "calibrl_sigmoid": "sigmoid",
    "calibrl_random_gate": "random (control)",
}
gated = {name: train(parse_method(name), World(), training, SEEDS)["accuracy"] for name in NAMES}

# %% tags=["hide-input"]
looks = (("red", "-"), ("orange", "-"), ("blue", "--"), ("black", ":"), ("green", "-"), ("sky", "-"))
figure, (axes,) = panels(height=3.0)
for (name, label), (colour, dash) in zip(NAMES.items(), looks, strict=True):
    accuracy = gated[name]
    draw_curve(axes, training.recorded_steps, accuracy, name, label=label, style=(PALETTE[colour], dash))
    print(f"{label:18s} accuracy {accuracy[-1].mean():.3f}, solved by {solved(accuracy[-1])} seeds")
axes.set(ylabel="accuracy", ylim=(0, 1))
axes.legend(fontsize=8, ncols=2, loc="lower right")
show(
    figure,
    "Accuracy for six gates: LeakyReLU, ReLU and softplus reach the sound paths; linear, sigmoid and random do not.",
)

# %% [markdown]
# What the three that work have in common is the derivative of the right panel in section 1: larger above 0 than below.
# The linear gate and the random one do not distinguish; the sigmoid does not either, its derivative is symmetric and
# vanishes at large gaps. ReLU is the fastest, as $\alpha = 0$ is.

# %% [markdown]
# ### Exercise 3.3
# *Easy, 5 minutes.*
# All responses of a group are likelier than the expert's, and 2 of 8 are right. Which slope makes the push on the
# expert a third of what it is at $\alpha = 0$? Decide first whether the number of right ones matters.

# %% tags=["exercise"]
slope_of_a_third_of_the_push = ...  # your number


# %% tags=["check"]
check("3.3", slope_of_a_third_of_the_push)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Write the push of section 2 for the slope asked for and for slope 0, and divide.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# What depends on the group is in both, and cancels. What is left?
#
# </details>
#
# <details><summary>Solution</summary>
#
# $(1 - \alpha) \sum_{\mathrm{right}} A_i$: the sum depends on the group, the factor does not.
#
# ```python
# slope_of_a_third_of_the_push = 2 / 3
# ```
#
# </details>

# %% [markdown]
# ## What this does not show
#
# - The gradient field is of three answers, in expectation, and without the noise of small groups.
# - That ReLU is as good as LeakyReLU elsewhere. The paper finds LeakyReLU better; a case for it needs right answers
#   that are likelier than the expert's *and* still worth raising, which the surrogate already does here.
# - The best $\alpha$ of this world. It trades against $\lambda$: see [notebook 5](05_the_whole_objective.ipynb).
#
# ## References
#
# - CalibRL, arXiv:2602.20197, Eq. 9 and its ablation of the activation.
# - A. Maas et al., [*Rectifier Nonlinearities Improve Neural Network Acoustic
#   Models*](https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf), 2013: the LeakyReLU.
#
# Next: [04 Advantage weighting](04_advantage_weighting.ipynb)
