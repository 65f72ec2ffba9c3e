# %% [markdown]
# # The whole objective: every method in one small world
#
# **The question.** Gap, sign, gate and weight are one term beside GRPO's surrogate. What does the sum of the two do in
# training, among thirteen methods, and where does it lose?
#
# **Afterwards you can** write the paper's objective from the library's functions, read a comparison with intervals,
# say what alpha and lambda do together, and name the settings where CalibRL brings nothing.
#
# **Time.** About 90 seconds on two cores to run, 25 minutes to read. You need tutorials 2 to 4.

# %%
import numpy as np
import torch
from course import PALETTE, budget, check, draw_curve, look, panels, predict, show, solved, use_style
from matplotlib.axes import Axes
from torch import Tensor

from calibrl_ref import (
    RECIPES,
    Rollouts,
    aggregate,
    clipped_surrogate,
    exploration_loss,
    group_advantage,
    importance_ratio,
    trajectory_log_prob,
)
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train, train_grid
from toy.studies.questions import DEFAULT_METHODS, REGIME_METHODS, REGIMES
from toy.world import World

use_style()
SEEDS = range(budget(full=32, reduced=2))
FEW_SEEDS = range(budget(full=16, reduced=2))
STEPS = budget(full=600, reduced=20)

# %% [markdown]
# ## 1. Two terms and a sum
#
# The paper maximises GRPO's clipped surrogate minus $\lambda$ times the exploration term (its Eq. 10). As a loss, for
# a response $i$ with tokens $t$:
#
# <!-- formula: clipped_surrogate -->
# $$\ell_t = \max\left(-r_t A,\; -\operatorname{clip}(r_t,\, 1 - \varepsilon_{\mathrm{low}},\,
# 1 + \varepsilon_{\mathrm{high}})\, A\right)$$
#
# <!-- formula: exploration_loss -->
# $$\ell_i = \lvert A_i \rvert \cdot \operatorname{LeakyReLU}_\alpha\left(-s_i\,
# \left(\log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})\right)\right)$$
#
# The surrogate is summed over a response's tokens and averaged over the policy's own responses; the exploration term,
# already one number for a response, is averaged over them too. Sums on both sides keep $\lambda$ meaning the same at
# every length: the trajectory's gap grows with the length, and so does the sum of the surrogate.
#
# In the library that is a recipe. It returns an `Objective`, and an objective called on `Rollouts` returns the total
# and each term's share:

# %%
group = torch.tensor([0, 0, 0, 0, 0])
is_expert = torch.tensor([False, False, False, False, True])
correct = torch.tensor([True, False, False, True, True])
advantage = group_advantage(correct.double(), group, is_expert)
now = torch.tensor([[-1.0, -0.5], [-0.2, -0.9], [-0.7, -0.1], [-0.4, -0.6], [-2.0, -1.5]], dtype=torch.float64)
rollouts = Rollouts(
    token_log_prob=now.requires_grad_(),
    old_token_log_prob=now.detach(),
    mask=torch.ones(5, 2, dtype=torch.bool),
    group=group,
    is_expert=is_expert,
    correct=correct,
    advantage=advantage,
)
losses = RECIPES["calibrl"](slope=0.5, exploration_weight=0.1)(rollouts)
for name, share in {**losses.terms, "total": losses.total}.items():
    print(f"{name:12s} {share.item():+.4f}")

# %% [markdown]
# The surrogate's share is 0, and that is right: the ratios are all 1 before the first update, and advantages of a
# group add up to 0. Its *gradient* is not 0. That is why the loss of a GRPO run says nothing about its progress.
#
# ### Exercise 5.1
# *Hard, 20 minutes.*
# Write the total from the parts. You need `importance_ratio`, `clipped_surrogate`, `aggregate` (mode
# `"sequence_mean_token_sum"`), `trajectory_log_prob` and `exploration_loss`, and a decision: which rows does each term
# count?


# %% tags=["exercise"]
def paper_objective(rollouts: Rollouts, slope: float, weight: float) -> Tensor:
    """Return the total loss of one group with one expert: the surrogate plus weight times the exploration term."""
    return ...  # your code


# %% tags=["check"]
check("5.1", paper_objective)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# First the rows: `rollouts.is_expert` tells them. Neither term counts the expert's row; the second compares with it.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The surrogate is one number for each token: its mask has to leave the expert's row out. The exploration term is one
# number for each response: take a plain mean.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# Nothing in it is detached. The expert's log-probability is that of the one row with `is_expert`, expanded to the
# others.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def paper_objective(rollouts: Rollouts, slope: float, weight: float) -> Tensor:
#     """The expert's row counts in neither term; it is only what the others are compared with."""
#     own = ~rollouts.is_expert
#     ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
#     per_token = clipped_surrogate(ratio, rollouts.advantage.unsqueeze(1).expand_as(ratio))
#     surrogate = aggregate(per_token, rollouts.mask & own.unsqueeze(1), mode="sequence_mean_token_sum")
#     response = trajectory_log_prob(rollouts.token_log_prob, rollouts.mask)
#     expert = response[rollouts.is_expert].expand(int(own.sum()))
#     exploration = exploration_loss(response[own], expert, rollouts.correct[own], rollouts.advantage[own], slope=slope)
#     return surrogate + weight * exploration.mean()
# ```
#
# Note what is *not* there: no `detach` on the expert. Its gradient is the push on the expert of tutorial 3.
# </details>

# %% [markdown]
# ## 2. Thirteen methods
#
# The toy of tutorial 1, the default world: shortcuts (verified 60 % of the time) hold most of the untrained policy's
# mass, sound paths (95 %) are rare, and a quarter of what the expert shows can be executed. All methods meet the same
# 32 worlds with the same random numbers, at the same learning rate and with their sources' defaults. Entropy and
# accuracy are enumerated, so the only noise is that of training itself.

# %% [markdown]
# **Predict, then look.** `calibrl` has the paper's $\lambda = 0.1$. How does it end with $\lambda = 1$, ten times as
# much?
#
# - (a) it learns nothing: the exploration term drowns the surrogate
# - (b) a little less accurate, with more of the sound paths in reach
# - (c) just as accurate, with less entropy

# %%
predict("5a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %% [markdown]
# **Predict, then look.** And with $\alpha = 1$, no attenuation at all?
#
# - (a) as GRPO
# - (b) better than $\alpha = 0.5$: nothing of the term is lost
# - (c) worse than GRPO

# %%
predict("5b", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
training = Training(steps=STEPS, points=41)
found = {name: train(parse_method(name), World(), training, SEEDS) for name in DEFAULT_METHODS}


# %% tags=["hide-input"]
def draw_methods(names: tuple[str, ...], alt: str) -> None:
    """Entropy and accuracy of some methods beside each other."""
    figure, (left, right) = panels(2, height=3.4)
    for name in names:
        draw_curve(left, training.recorded_steps, found[name]["entropy"], name)
        draw_curve(right, training.recorded_steps, found[name]["accuracy"], name)
    left.set(ylabel="entropy (nats per decision)", ylim=0)
    right.set(ylabel="accuracy", ylim=(0.1, 1))
    right.legend(fontsize=8, loc="lower right")
    show(figure, alt)


draw_methods(
    ("grpo", "entropy_bonus", "dapo", "calibrl", "calibrl:slope=1", "calibrl_released"),
    "GRPO, the entropy bonus and DAPO level off near 0.65; CalibRL rises to 0.95 after its entropy stayed up.",
)
draw_methods(
    ("grpo", "sft_grpo", "luffy", "rl_plus", "calibrl", "calibrl:exploration_weight=1"),
    "Methods that read the expert: SFT then GRPO dips first and then reaches 0.95 sooner than CalibRL.",
)

# %%
print(f"{'':28s} entropy half-way  accuracy  coverage  solved")
for name, curves in found.items():
    middle, accuracy = curves["entropy"][len(curves["entropy"]) // 2].mean(), curves["accuracy"][-1]
    coverage = curves["coverage"][-1].mean()
    print(f"{name:28s} {middle:16.3f} {accuracy.mean():9.3f} {coverage:9.2f}  {solved(accuracy)}")

# %%
look("5a")
look("5b")

# %% [markdown]
# - **GRPO and its clipped, pruned and covariance-limited relatives end alike**, at 0.64 to 0.68: entropy is gone
#   before a sound path was met often enough. Clip-Cov and Dr. GRPO hold more entropy half-way, and it does not help:
#   entropy is what exploration costs, not what it brings.
# - **The entropy bonus** at its default of 0.01 holds some entropy and brings next to nothing. Nobody tuned it here.
# - **CalibRL** solves every seed, with two and a half times GRPO's entropy half-way. **With alpha = 1** and in the
#   **released form** it ends where GRPO does: tutorials 3 and 7 say why. **With lambda = 1**, ten times the paper's, it
#   gives up a hundredth of accuracy (0.936 for 0.947) and keeps three times as many of the sound paths in reach
#   (*coverage*, the share of them that a batch of this policy still meets: 0.49 for 0.16).
# - **SFT, then GRPO** is the best of all in accuracy (0.949). It pays for that on the way: its accuracy falls below
#   0.4 in the supervised third (second figure, right panel).
#
# ### Exercise 5.2
# *Medium, 5 minutes.*
# The mean accuracy of a method with some solved seeds is a mixture, and a wide interval says so: a seed either finds a
# sound path (about 0.95) or settles on a shortcut (about 0.6). Estimate from the mean alone which share of the seeds
# solved the task, if a solved seed has the accuracy `top` and another `bottom`.


# %% tags=["exercise"]
def share_solved(mean: float, bottom: float, top: float) -> float:
    """Return the share of solved seeds that gives this mean, between 0 and 1."""
    return ...  # your code


# %% tags=["check"]
check("5.2", share_solved)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The mean is a mixture: so much of `top`, the rest of `bottom`. Solve for the share.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A mean may lie a little below `bottom` or above `top`, as both are only about right. What should a share be then?
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def share_solved(mean: float, bottom: float, top: float) -> float:
#     """mean = share * top + (1 - share) * bottom, solved for the share and kept in [0, 1]."""
#     return min(max((mean - bottom) / (top - bottom), 0.0), 1.0)
# ```
#
# So an interval over few seeds is an interval of a *coin*: with 4 seeds, all solved, the true share may still be one
# half (0.5 to the fourth is 6 %), and Wilson's interval says so: 51 to 100 %. An interval of the mean accuracy would be
# a point there. That is why the table above counts seeds, and what one run of a language model tells you.
# </details>

# %% [markdown]
# ## 3. Alpha and lambda together
#
# `train_grid` trains every cell of a grid in one tensor program.

# %%
SLOPES, WEIGHTS = (0.0, 0.3, 0.5, 0.8, 1.0), (0.03, 0.1, 0.3)
cells = [{"slope": slope, "exploration_weight": weight} for weight in WEIGHTS for slope in SLOPES]
grid = train_grid(parse_method("calibrl"), World(), training, FEW_SEEDS, cells)


def draw_map(axes: Axes, values: np.ndarray, low: float, high: float, title: str) -> None:
    """One number for each cell: lambda upwards, alpha to the right."""
    axes.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < (low + high) / 2 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(SLOPES)), [f"{slope:g}" for slope in SLOPES])
    axes.set_yticks(range(len(WEIGHTS)), [f"{weight:g}" for weight in WEIGHTS])
    axes.grid(False)
    axes.set(xlabel="slope alpha", title=title)


shape, middle = (len(WEIGHTS), len(SLOPES)), len(training.recorded_steps) // 2
accuracy = np.array([curves["accuracy"][-1].mean() for curves in grid]).reshape(shape)
entropy = np.array([curves["entropy"][middle].mean() for curves in grid]).reshape(shape)

# %% tags=["hide-input"]
figure, (left, right) = panels(2, height=2.8)
draw_map(left, accuracy, 0.55, 0.95, "Accuracy at the end")
draw_map(right, entropy, 0.0, 0.6, "Entropy half-way (nats)")
left.set_ylabel("weight lambda")
show(
    figure,
    "Two maps over alpha and lambda: accuracy is high for a small alpha or a large lambda.",
)

# %% [markdown]
# The two trade against each other: the effect needs a push on the expert, and that is $\lambda (1 - \alpha)$ times
# what the right responses' advantages add up to (tutorial 3). At $\lambda = 0.03$ only alpha = 0 gains much; at 0.3
# even alpha = 0.8 does; at alpha = 1 no lambda helps. So a table over alpha at one lambda, as the paper's, shows one
# row of this map. The entropy half-way is no better guide than before: it is low where the search failed *and* where it
# ended early.
#
# ## 4. Does the entropy oscillate?
#
# The paper describes alpha = 0.3 as aggressive early exploration with an oscillating entropy, 0.5 as balanced, 0.8 as
# rapid decay. A mean over seeds cannot oscillate if each seed does so at its own time, so look at single ones, and
# count: how much entropy does a run win back on its way down (the sum of all rises between recorded points)?

# %%
SHOWN = (0.3, 0.5, 0.8)
runs = train_grid(
    parse_method("calibrl:exploration_weight=0.3"), World(), training, FEW_SEEDS, [{"slope": slope} for slope in SHOWN]
)


def regained(entropy: np.ndarray) -> np.ndarray:
    """Sum of the rises of each seed's entropy, nats per decision."""
    return np.clip(np.diff(entropy, axis=0), 0, None).sum(0)


# %% tags=["hide-input"]
figure, axes = panels(1, 3, height=1.7, sharex=True, sharey=True)
for panel, slope, curves in zip(axes, SHOWN, runs, strict=True):
    panel.plot(training.recorded_steps, curves["entropy"][:, :4], color=PALETTE["red"], linewidth=1, alpha=0.8)
    panel.set(title=f"alpha {slope:g}", ylabel="entropy (nats)", ylim=0)
    ours, theirs = regained(curves["entropy"]), regained(found["grpo"]["entropy"][:, : len(FEW_SEEDS)])
    print(f"alpha {slope:.1f}: regained {ours.mean():.3f}; GRPO's, same seeds: {theirs.mean():.3f}")
axes[-1].set_xlabel("training step")
show(figure, "Entropy of four single runs for alpha 0.3, 0.5 and 0.8 at lambda 0.3.")

# %% [markdown]
# At every slope a run wins back two to four times what GRPO does: the entropy falls, rises while a sound path takes
# over from a shortcut, and falls for good. So yes, single runs go up and down while they search. But the paper's
# order is not what this world shows: alpha = 0.8 wins back *most*, because its search lasts longest.
#
# ## 5. Where it loses or ties
#
# Other worlds, in each of which something that helps CalibRL, or imitation, is taken away.

# %%
for regime in REGIMES.values():
    world = World(**regime.world)
    settings = Training(**{"steps": STEPS, "points": 3, **regime.training})
    print(f"\n{regime.title}: {regime.why}")
    for method in REGIME_METHODS:
        end = train(parse_method(method), world, settings, FEW_SEEDS)["accuracy"][-1]
        print(f"    {method:28s} accuracy {end.mean():.3f}, solved by {solved(end)}")

# %% [markdown]
# - **Deterministic outcomes:** nothing to win. A shortcut that never works is left by everyone.
# - **Expert fully executable:** imitation is as good, and simpler.
# - **Expert not executable:** CalibRL is GRPO at lambda = 0.1; at lambda = 1 it solves 15 of 16 seeds, although no path
#   that it is shown works. SFT-then-GRPO does a little better than GRPO: its supervised stage *spreads* the policy, and
#   GRPO starts from more entropy.
# - **Deep imitation:** where the supervised stage is long and nothing it teaches can be executed, SFT-then-GRPO is the
#   worst of all.
# - **Adam:** the gap to GRPO halves; the optimiser decides as much as the objective does.
#
# ## What this does not show
#
# - **The size of an effect in a language model.** It is a table of logits, and the world was chosen so that GRPO
#   collapses (`toy/world/settings.py` says how, and what happened in the about one hundred others).
# - **That the other methods are bad.** None was tuned; each has the defaults of its source, at one learning rate.
# - **That alpha = 0.5 and lambda = 0.1 are good values.** The map has a ridge; where it lies depends on the world.
#
# ## References
#
# - CalibRL, arXiv:2602.20197, Eq. 9 and 10, and its ablations of alpha and lambda.
# - The sources of the other methods: [docs/methods.md](../docs/methods.md).
# - `python -m toy compare` makes a page of the same comparison; [docs/toy_findings.md](../docs/toy_findings.md) has all
#   tables.
#
# **Next:** [Calibration or imitation](06_calibration_or_imitation.ipynb): when to imitate instead.
