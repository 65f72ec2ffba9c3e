# %% [markdown]
# # Calibration or imitation: what to do with an expert's solution
#
# **The question.** One can imitate an expert's solution, or use it as a reference point. When does which of the two
# win?
#
# **Afterwards you can** say how hard SFT, LUFFY, RL-PLUS and CalibRL push an expert's token and when they stop,
# read a map of methods over kinds of expert, and compare two methods seed by seed.
#
# **Time.** About a minute on two cores to run, 25 minutes to read. You need tutorials 3 to 5.

# %%
import numpy as np
import torch
from course import PALETTE, budget, check, draw_curve, look, panels, predict, show, use_style

from calibrl_ref import exploration_coefficients, group_advantage, off_policy_surrogate
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train_grid
from toy.studies.statistics import mean_interval
from toy.world import World

use_style()
SEEDS = range(budget(full=16, reduced=2))
TRAINING = Training(steps=budget(full=600, reduced=20), points=21)
METHODS = {
    "GRPO": "grpo",
    "SFT, then GRPO": "sft_grpo",
    "LUFFY": "luffy",
    "RL-PLUS": "rl_plus",
    "CalibRL": "calibrl",
    "CalibRL, lambda 0.3": "calibrl:exploration_weight=0.3",
}

# %% [markdown]
# ## 1. Four ways to push
#
# All four methods can raise the log-probability of what the expert wrote. Supervised fine-tuning does nothing else:
#
# <!-- formula: Imitation -->
# $$\ell_t = -\log \pi(y_t)$$
#
# LUFFY and RL-PLUS put the expert's solution into the group as one more response, with an advantage of its own, and
# weigh each of its tokens by a function of its probability $p$:
#
# <!-- formula: off_policy_surrogate -->
# $$\ell_t = -A\, f(\pi)$$
#
# <!-- formula: luffy_shaping -->
# $$f(p) = \frac{p}{p + \gamma}$$
#
# <!-- formula: rl_plus_shaping -->
# $$f(p) = \frac{2p}{p_{\mathrm{old}} + \frac{1}{2}\,(p_{\mathrm{old}} + 1)}\,
# \left(1 - \operatorname{sg}(p)\right)^{\gamma}$$
#
# CalibRL has no term for the expert at all. Its push is what is left over when the group's own pushes do not cancel
# (tutorial 3). The figure shows the push on a token's log-probability, before the division by the number of rows: for
# SFT 1, for LUFFY and RL-PLUS at the expert's advantage of 1, for CalibRL in a group with four of eight right, all of
# them likelier than the expert.

# %%
probability = torch.logspace(-4, -0.01, 200, dtype=torch.float64)
pushes = {"SFT": torch.ones_like(probability)}
for name, shape in (("LUFFY", "luffy"), ("RL-PLUS", "rl_plus")):
    log_prob = probability.log().requires_grad_()
    loss = off_policy_surrogate(log_prob, log_prob.detach(), torch.ones_like(probability), shape=shape)
    pushes[name] = -torch.autograd.grad(loss.sum(), log_prob)[0]
right = torch.arange(8) < 4
one_group = torch.zeros(8, dtype=torch.long)
advantage = group_advantage(right.double(), one_group)
_, push = exploration_coefficients(torch.ones(8, dtype=torch.float64), right, advantage, one_group, slope=0.5)
pushes["CalibRL"] = (0.1 * push[0]).expand(len(probability))

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.2)
looks = {"SFT": ("green", "-"), "LUFFY": ("blue", "-"), "RL-PLUS": ("blue", "--"), "CalibRL": ("red", "-")}
for name, (colour, dash) in looks.items():
    axes.plot(probability, pushes[name], dash, color=PALETTE[colour], label=name)
axes.set(
    xscale="log",
    yscale="log",
    ylim=(1e-3, 3),
    xlabel="probability of the expert's token",
    ylabel="push on its log-probability",
)
axes.legend()
show(
    figure,
    "SFT pushes all probabilities alike, LUFFY and RL-PLUS rare tokens less, CalibRL all alike and five times weaker.",
)
print(
    f"CalibRL's push: {float(pushes['CalibRL'][0]):.3f}; LUFFY's at p = 0.001: {float(pushes['LUFFY'][50]):.3f}, "
    f"at its best (p = {float(probability[pushes['LUFFY'].argmax()]):.2f}): {float(pushes['LUFFY'].max()):.3f}"
)

# %% [markdown]
# SFT pushes for ever, every token. LUFFY pushes hardest where the policy gives the token about one chance in ten,
# and hardly where it never gives it. CalibRL's push does not look at the token; it is weak, and it ends by itself: in
# a group that is all right or all wrong every advantage is zero, and where the policy is less sure than the expert
# the gate turns.
#
# ### Exercise 6.1
# *Medium, 10 minutes.*
# Derive LUFFY's curve: the derivative of $p / (p + \gamma)$ with respect to $\log p$.


# %% tags=["exercise"]
def luffy_push(probability: float, gamma: float) -> float:
    """Return the push on an expert's token of this probability, at an advantage of 1."""
    return ...  # your code


# %% tags=["check"]
check("6.1", luffy_push)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A derivative with respect to $\log p$ is $p$ times the one with respect to $p$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Use the quotient rule for $p / (p + \gamma)$. What is left in the numerator?
#
# </details>
#
# <details><summary>Solution</summary>
#
# $\frac{d f}{d \log p} = p\, f'(p) = \frac{\gamma\, p}{(p + \gamma)^2}$: largest, at 1/4, where $p = \gamma$.
#
# ```python
# def luffy_push(probability: float, gamma: float) -> float:
#     """p times the derivative of p / (p + gamma)."""
#     return gamma * probability / (probability + gamma) ** 2
# ```
# </details>

# %% [markdown]
# ### Exercise 6.2
# *Easy, 5 minutes.*
# And when does LUFFY stop? Its expert (reward 1) counts in the group's mean, and the advantage is only centred. What
# is the expert's advantage if `right` of `rollouts` responses are right?


# %% tags=["exercise"]
def expert_advantage(right: int, rollouts: int) -> float:
    """Return the advantage of LUFFY's expert row."""
    return ...  # your code


# %% tags=["check"]
check("6.2", expert_advantage)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# How many rows are in the group, and what do their rewards add up to?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The advantage is the expert's own reward less that mean.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def expert_advantage(right: int, rollouts: int) -> float:
#     """One minus the mean over the responses and the expert."""
#     return 1.0 - (right + 1) / (rollouts + 1)
# ```
#
# It is the share of wrong responses, nearly: LUFFY imitates until the policy is right, whatever the reason why it is
# not. In a group that is all wrong it pushes hardest (8/9); there CalibRL does nothing.
# </details>

# %% [markdown]
# ## 2. A map over experts
#
# In the toy the expert shows 16 paths. A share of them, `executable`, are sound paths that the policy can follow with
# success 0.95; with the others it succeeds only 0.2 of the time: the expert could do it, the policy cannot.
# `train_grid` trains all shares of one method in one tensor program.

# %%
SHARES = (0.0, 0.125, 0.25, 0.5, 1.0)
cells = [{"executable": share} for share in SHARES]
found = {name: train_grid(parse_method(method), World(), TRAINING, SEEDS, cells) for name, method in METHODS.items()}


# %% tags=["hide-input"]
def draw_map(found: dict, ticks: tuple, xlabel: str, alt: str) -> None:
    """Final accuracy of each method (rows) in each world (columns)."""
    table = np.array([[curves["accuracy"][-1].mean() for curves in row] for row in found.values()])
    figure, (axes,) = panels(height=3.4)
    axes.imshow(table, cmap="cividis", vmin=0.4, vmax=1.0, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.7 else "black")
    axes.set_xticks(range(len(ticks)), [f"{tick:g}" for tick in ticks])
    axes.set_yticks(range(len(found)), found)
    axes.grid(False)
    axes.set(xlabel=xlabel, title="Exact accuracy at the end")
    show(figure, alt)
    for name, row in zip(found, table, strict=True):
        print(f"{name:20s}", "  ".join(f"{value:.2f}" for value in row))


draw_map(
    found,
    SHARES,
    "share of the expert's paths that the policy can execute",
    "Accuracy of six methods over five shares: SFT then GRPO and CalibRL reach 0.95 from a share of 0.125 or 0.25 on.",
)

# %% [markdown]
# - **SFT, then GRPO** solves the task as soon as one path in eight can be executed. GRPO sorts out, afterwards, which
#   of the demonstrated paths work.
# - **CalibRL** needs hardly more. It does so without ever imitating.
# - **LUFFY** gains little here, **RL-PLUS** only with good experts. A likely reason: a sound path starts with a small
#   probability at some decision, and there both curves of the first figure are low.
# - In the **first column** nobody is good. It is the case against imitation: is calibration the better choice there?
#
# ## 3. Seed by seed
#
# All methods meet the same worlds and the same random numbers, seed by seed. So subtract first and average
# afterwards: the interval of the *difference* is usually narrower than those of the two means.
#
# ### Exercise 6.3
# *Easy, 5 minutes.*
# Write the interval of the paired difference. `mean_interval(values)` gives mean, lower and upper bound over seeds.


# %% tags=["exercise"]
def paired_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Return the mean difference ours - theirs over seeds, and its 95 % interval."""
    return ...  # your code


# %% tags=["check"]
check("6.3", paired_interval)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What varies from seed to seed is mostly common to both methods. At which point do you subtract?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `mean_interval` of an array of differences, one for each seed.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def paired_interval(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
#     """The interval of the differences, not the difference of the intervals."""
#     mean, low, high = mean_interval(ours - theirs)
#     return float(mean), float(low), float(high)
# ```
# </details>

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.0)
for name, offset, marker in (("CalibRL", -0.08, "o"), ("CalibRL, lambda 0.3", 0.08, "s")):
    for place, share in enumerate(SHARES):
        difference = found[name][place]["accuracy"][-1] - found["SFT, then GRPO"][place]["accuracy"][-1]
        mean, low, high = mean_interval(difference)
        where, error = place + offset, [[mean - low], [high - mean]]
        label = name if place == 0 else None
        axes.errorbar(where, mean, yerr=error, fmt=marker, color=PALETTE["red"], capsize=4, label=label)
        print(f"{name:20s} share {share:5.3f}: {mean:+.3f} [{low:+.3f}, {high:+.3f}]")
axes.axhline(0.0, color="black", linewidth=1)
axes.set_xticks(range(len(SHARES)), [f"{share:g}" for share in SHARES])
axes.set(
    xlabel="share of the expert's paths that the policy can execute", ylabel="accuracy: CalibRL minus\nSFT, then GRPO"
)
axes.legend(loc="lower right")
show(figure, "CalibRL minus SFT then GRPO: intervals around or slightly below zero, except lambda 0.3 at share 0.")

# %% [markdown]
# Said plainly: **in this world imitation, followed by GRPO, wins at every share where anything can be executed**, by
# little: mostly 0.001 to 0.005. Where nothing can be executed the default lambda is not better either. With lambda 0.3
# CalibRL is, by about 0.09 with an interval from 0.02 to 0.19: one of ten comparisons, at a lambda that is not the
# paper's. With the 32 seeds of [docs/toy_findings.md](../docs/toy_findings.md) the two methods' intervals overlap
# there.
#
# ## 4. On the way
#
# The end is not all. A run that serves users, or whose rewards cost money, lives through the whole curve.

# %% [markdown]
# **Predict, then look.** In the first third of its steps, "SFT, then GRPO" imitates the expert, of whom the policy can
# execute a quarter. What does its accuracy do there?
#
# - (a) it rises at once: it is shown right answers
# - (b) it falls below where it started
# - (c) it stays where it is

# %%
predict("6a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %% tags=["hide-input"]
figure, (axes, right_axes) = panels(2, height=3.0, sharey=True)
for ax, place in ((axes, 0), (right_axes, 2)):
    for name in ("GRPO", "SFT, then GRPO", "CalibRL"):
        draw_curve(ax, TRAINING.recorded_steps, found[name][place]["accuracy"], METHODS[name], label=name)
    ax.set(title=f"share {SHARES[place]:g} executable", ylim=(0, 1))
axes.set_ylabel("exact accuracy")
right_axes.legend(loc="lower right", fontsize=8)
show(figure, "Accuracy over training: SFT first falls far below the start, then GRPO recovers; CalibRL never falls.")
for name in ("GRPO", "SFT, then GRPO", "CalibRL"):
    lowest = [curves["accuracy"].mean(1).min() for curves in found[name]]
    print(f"{name:16s} lowest accuracy on the way:", [f"{value:.2f}" for value in lowest])

# %%
look("6a")

# %% [markdown]
# The supervised third of the run spreads the policy over everything that the expert shows, whether the policy can do
# it or not: accuracy drops from 0.49 to about 0.2 where nothing can be executed. Then GRPO takes over, and is at the
# top sooner than CalibRL. CalibRL never falls below its start. That is the honest argument for it in this world: no
# better end and no faster one, but no valley.
#
# ## 5. An expert who errs
#
# Verified demonstrations are a luxury. Let all of the expert's right paths be executable, and let a share `wrong` of
# all demonstrations lead to wrong answers.

# %% [markdown]
# **Predict, then look.** Three of four demonstrations lead to wrong answers. How does CalibRL end?
#
# - (a) nearly as with a faultless expert
# - (b) as GRPO does
# - (c) below GRPO: it is pushed towards wrong paths

# %%
predict("6b", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
WRONG = (0.0, 0.5, 0.75, 1.0)
cells = [{"executable": 1.0, "wrong": share} for share in WRONG]
erring = {name: train_grid(parse_method(METHODS[name]), World(), TRAINING, SEEDS, cells) for name in METHODS}
draw_map(
    erring,
    WRONG,
    "share of the demonstrations that are wrong",
    "Accuracy of six methods: SFT then GRPO and CalibRL stand up to three quarters of wrong demonstrations.",
)
for name in ("SFT, then GRPO", "CalibRL"):
    print(f"{name:16s} lowest on the way:", [f"{curves['accuracy'].mean(1).min():.2f}" for curves in erring[name]])

# %%
look("6b")

# %% [markdown]
# Both SFT-then-GRPO and CalibRL stand a lot: one good demonstration in four is enough for both; the first pays with a
# valley again. LUFFY and RL-PLUS fall back to GRPO: an expert with a wrong answer has a negative advantage there and
# is pushed away, which is right, but no help. CalibRL does not look at the expert's own verdict, so it is pushed
# towards wrong paths as well; up to three quarters of them it is not hurt by that.
#
# ## What this does not show
#
# - **That imitation is the better choice in general.** Here a demonstration is a path among 256 that GRPO can try out
#   afterwards; a language model that imitates long solutions which it cannot carry out may not recover. In the
#   paper's tables SFT+GRPO is far below GRPO (21.9 against 39.5 on average, no intervals published); this toy does
#   not reproduce that.
# - **That LUFFY and RL-PLUS are weak.** Their defaults were chosen for language models; none was tuned to this world,
#   and neither was CalibRL, but the world was chosen to make entropy collapse visible (`toy/world/settings.py`).
# - One world, one size of policy, plain gradient descent. `python -m toy phase` draws larger maps with 32 seeds.
#
# ## References
#
# - LUFFY: arXiv:2504.14945, Eq. 5 to 7. RL-PLUS: arXiv:2508.00222. CalibRL: arXiv:2602.20197.
# - [docs/toy_findings.md](../docs/toy_findings.md) has the table with 32 seeds.
#
# **Next:** [Paper and released code](07_paper_and_released_code.ipynb): two methods under one name.
