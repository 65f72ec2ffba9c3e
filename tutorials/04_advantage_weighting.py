# %% [markdown]
# # Advantage weighting: what a group knows
#
# **The question.** GRPO and CalibRL weigh a response by its advantage within its group. What does that reward, what
# does it throw away, and what does dividing by the standard deviation change?
#
# **Afterwards you can** predict a response's weight from its group's share of right answers, say how often a group
# teaches nothing, and tell a change of *scale* from a change of *method*.
#
# **Time.** About 30 seconds on two cores to run, 20 minutes to read. It builds on [notebook 3](03_gate.ipynb).

# %%
from dataclasses import replace

import numpy as np
import torch
from course import PALETTE, budget, check, draw_curve, look, panels, predict, show, solved, use_style

from calibrl_ref import advantage_weight, group_advantage, informative_groups
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

use_style()
SEEDS = range(budget(full=16, reduced=2))
STEPS = budget(full=600, reduced=30)

# %% [markdown]
# ## 1. The rarer, the heavier
#
# <!-- formula: group_advantage -->
# $$A_i = \frac{R_i - \operatorname{mean}(R)}{\operatorname{std}(R) + \varepsilon}$$
#
# <!-- formula: advantage_weight -->
# $$w_i = \lvert A_i \rvert$$
#
# Take a group of eight and let the number of right answers grow.

# %%
SIZE = 8


def advantages(right: int, size: int = SIZE, *, scale_by_std: bool) -> torch.Tensor:
    """Return the advantages of a group with so many right answers, the right ones first."""
    reward = (torch.arange(size) < right).double()
    return group_advantage(reward, torch.zeros(size, dtype=torch.long), scale_by_std=scale_by_std)


# %% tags=["hide-input"]
counts = range(1, SIZE)
figure, axes = panels(2, height=3.0, sharey=True)
for panel, scaled in zip(axes, (True, False), strict=True):
    weights = [advantage_weight(advantages(right, scale_by_std=scaled)) for right in counts]
    panel.plot(counts, [float(weight[0]) for weight in weights], "o-", color=PALETTE["blue"], label="a right answer")
    panel.plot(counts, [float(weight[-1]) for weight in weights], "s--", color=PALETTE["red"], label="a wrong answer")
    panel.set(title=f"{'divided' if scaled else 'not divided'} by the std", xlabel=f"right answers of {SIZE}", ylim=0)
axes[0].set_ylabel("weight $|A|$")
axes[0].legend(fontsize=8, loc="upper center")
show(
    figure, "A right answer weighs most where it is the only one of its group, a wrong one where all others are right."
)

# %% [markdown]
# The one right answer among eight has seven times the weight of one of the seven wrong ones, with or without the
# division. Nobody programmed a bonus for rarity: the difference from the mean *is* one.
#
# ## 2. What the division changes: which groups count
#
# Within a group it changes nothing but the scale. Between groups it does. The figure adds up $\lvert A \rvert$ over
# a group.

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.0)
for scaled, colour, marker in ((True, "red", "o-"), (False, "black", "s--")):
    total = [float(advantage_weight(advantages(right, scale_by_std=scaled)).sum()) for right in range(SIZE + 1)]
    axes.plot(range(SIZE + 1), total, marker, color=PALETTE[colour], label="divided" if scaled else "not divided")
    print(
        f"{'divided' if scaled else 'not divided':12s} 1 of 8 right: {total[1]:.2f}, 4 of 8 right: {total[4]:.2f}",
        end="",
    )
    print(f", ratio {total[1] / total[4]:.2f}")
axes.set(xlabel=f"right answers of {SIZE}", ylabel="sum of the weights in the group", ylim=0)
axes.legend()
show(
    figure,
    "Total weight of a group: dividing by the deviation lifts very hard and very easy prompts relative to medium ones.",
)

# %% [markdown]
# The division lifts prompts that are very hard or very easy relative to those in the middle: Dr. GRPO calls it a
# difficulty bias and leaves the division out, as the released CalibRL does; the paper writes a normalised advantage.
#
# ## 3. Homogeneous groups teach nothing
#
# In a group of all right or all wrong answers every advantage is zero: no surrogate, and no exploration term either.

# %%
reward = torch.tensor([1.0] * 4 + [0.0] * 4 + [1.0, 0.0, 0.0, 0.0])
group = torch.arange(3).repeat_interleave(4)
none = torch.zeros(12, dtype=torch.bool)
print("advantages: ", group_advantage(reward, group).reshape(3, 4)[:, 0].tolist(), "(first response of each group)")
print("informative:", informative_groups(reward, reward, group, none).reshape(3, 4)[:, 0].tolist())

chances = np.linspace(0, 1, 101)

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.0)
for size, colour in ((4, "orange"), (8, "blue"), (16, "green")):
    axes.plot(chances, chances**size + (1 - chances) ** size, color=PALETTE[colour], label=f"{size} responses")
generator = torch.Generator().manual_seed(0)
drawn = (torch.rand(2000, 8, generator=generator) < torch.linspace(0, 1, 2000).unsqueeze(1)).double()
useless = (group_advantage(drawn.flatten(), torch.arange(2000).repeat_interleave(8)).reshape(2000, 8) == 0).all(1)
axes.plot(np.linspace(0.05, 0.95, 10), useless.double().reshape(10, 200).mean(1), "ko", label="8 responses, simulated")
axes.set(xlabel="chance that a response is right", ylabel="groups that teach nothing", ylim=0)
axes.legend(loc="upper center")
show(
    figure,
    "Share of groups with one outcome against the chance of success: high at both ends, smaller for larger groups.",
)

# %% [markdown]
# DAPO draws such prompts anew, CPPO drops them. And a policy at 95 % accuracy with groups of 8 wastes two groups in
# three.

# %% [markdown]
# ### Exercise 4.1
# *Medium, 10 minutes.*
# How large must a group be for a prompt that is solved with chance `chance`, so that at most `wasted` of the groups are
# homogeneous?


# %% tags=["exercise"]
def group_size_needed(chance: float, wasted: float) -> int:
    """Return the smallest group of at least 2 that is homogeneous with probability at most ``wasted``."""
    return ...  # your code


# %% tags=["check"]
check("4.1", group_size_needed)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A group is homogeneous in two ways. How likely is each, for `size` independent responses?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# No formula for the size is needed: begin at 2 and go up while the chance is too large.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def group_size_needed(chance: float, wasted: float) -> int:
#     """Try sizes until few enough groups are all right or all wrong."""
#     size = 2
#     while chance**size + (1 - chance) ** size > wasted:
#         size += 1
#     return size
# ```
#
# At a chance of 5 %, half of the groups still teach nothing with 14 responses.
#
# </details>

# %% [markdown]
# ## 4. Does the expert count?
#
# The expert's row is in the batch. LUFFY counts its reward in the group's mean, CalibRL does not. In a group of wrong
# answers that decides whether anything happens:

# %%
reward = torch.tensor([0.0, 0.0, 0.0, 1.0])
is_expert = torch.tensor([False, False, False, True])
for counted in (False, True):
    found = group_advantage(reward, torch.zeros(4, dtype=torch.long), is_expert, count_expert=counted)
    print(f"expert counted: {counted!s:5}  each wrong answer has the advantage {float(found[0]):+.2f}")

# %% [markdown]
# ### Exercise 4.2
# *Medium, 5 minutes.*
# With the expert counted, a group of all *right* answers is homogeneous, one of all *wrong* ones is not. What is the
# mean advantage of the *policy's own* rows in a group of `size` wrong answers plus a right expert, not divided by the
# standard deviation?


# %% tags=["exercise"]
def mean_own_advantage(size: int) -> float:
    """Return the mean advantage of the policy's ``size`` wrong answers, the right expert counted in the mean."""
    return ...  # your code


# %% tags=["check"]
check("4.2", mean_own_advantage)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Write down all rewards of the group, the expert's too. What is their mean?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each of the wrong answers has reward 0, so its advantage is 0 less that mean.
#
# </details>
#
# <details><summary>Solution</summary>
#
# The mean of the group is $1 / (n + 1)$, and each wrong answer lies below it by that. The policy is pushed away from
# what it does: its own rows no longer add up to zero.
#
# ```python
# def mean_own_advantage(size: int) -> float:
#     """Minus the expert's share of the mean."""
#     return -1.0 / (size + 1)
# ```
#
# </details>

# %% [markdown]
# ## 5. Weights in training, and a trap
#
# CalibRL with $\lvert A \rvert$, without it, and without the division by the standard deviation. The last one
# shrinks all advantages (the deviation of a verdict is at most about one half), and with them *both* terms: a smaller
# step, too. So we add a control that doubles the learning rate.

# %% [markdown]
# **Predict, then look.** The last of these divides no advantage by the standard deviation, at the same learning rate.
# How does it end?
#
# - (a) as good as the divided one: a scale changes nothing
# - (b) clearly worse, and as good once the rate is doubled
# - (c) clearly worse, whatever the rate

# %%
predict("4a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
RUNS = {
    "weight |A|": ("calibrl", 4.0, ("red", "-")),
    "weight 1": ("calibrl_unweighted", 4.0, ("blue", "-")),
    "not divided by std": ("calibrl:scale_by_std=false", 4.0, ("orange", "-")),
    "not divided, rate x 2": ("calibrl:scale_by_std=false", 8.0, ("orange", "--")),
    "GRPO": ("grpo", 4.0, ("black", "-")),
}
training = Training(steps=STEPS, points=31)
found = {
    label: train(parse_method(method), World(), replace(training, learning_rate=rate), SEEDS)["accuracy"]
    for label, (method, rate, _) in RUNS.items()
}

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.2)
for label, (method, _, (colour, dash)) in RUNS.items():
    accuracy = found[label]
    draw_curve(axes, training.recorded_steps, accuracy, method, label=label, style=(PALETTE[colour], dash))
    print(f"{label:22s} accuracy {accuracy[-1].mean():.3f}, solved by {solved(accuracy[-1])} seeds")
axes.set(ylabel="accuracy", ylim=(0, 1))
axes.legend(fontsize=8, loc="lower right")
show(
    figure,
    "Accuracy over training with four weightings beside GRPO; doubling the rate undoes part of the missing division.",
)

# %%
look("4a")

# %% [markdown]
# - **Weight 1** trains worse: a common verdict then counts as much as a rare one, and a
#   homogeneous group, of which $\lvert A \rvert$ makes nothing, pushes in full.
# - **Not divided** looks like a failure of the centred advantage. The control says otherwise: with twice the rate it
#   is as good as the divided one. What was missing was not the division but the size of the step. A comparison of
#   advantage estimators at one learning rate compares learning rates too.
#
# ## 6. Group size, at a constant number of responses
#
# 128 responses a step, cut into groups of 4, 8 or 16.

# %%
sizes = {
    (method, size): train(parse_method(method), World(), replace(training, rollouts=size, prompts=128 // size), SEEDS)[
        "accuracy"
    ]
    for size in (4, 8, 16)
    for method in ("grpo", "calibrl")
}

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.0)
for (method, size), accuracy in sizes.items():
    label, colour = f"{method}, groups of {size}", "black" if method == "grpo" else "red"
    style = (PALETTE[colour], {4: ":", 8: "-", 16: "--"}[size])
    draw_curve(axes, training.recorded_steps, accuracy, method, label=label, style=style)
    print(f"{label:22s} accuracy {accuracy[-1].mean():.3f}, solved by {solved(accuracy[-1])} seeds")
axes.set(ylabel="accuracy", ylim=(0, 1))
axes.legend(fontsize=8, loc="lower right", ncols=2)
show(figure, "Accuracy for groups of 4, 8 and 16 responses under GRPO and CalibRL, at the same number of responses.")

# %% [markdown]
# CalibRL gains from larger groups, GRPO hardly. With 16 responses there are eight prompts, so eight experts a step
# instead of 32: it gains although it sees fewer demonstrations. Prompts and group size change together here, so the
# figure does not say which of the two does it.

# %% [markdown]
# ## What this does not show
#
# - The difficulty bias at work: all prompts of this world are equally hard.
# - Which weighting is best in a language model. The paper reports 45.30 instead of 50.59 without $\lvert A \rvert$
#   (average of eight benchmarks, one run each).
# - A fair race of group sizes: with fewer prompts a step also sees fewer experts.
#
# ## References
#
# - GRPO, arXiv:2402.03300; Dr. GRPO, arXiv:2503.20783; DAPO, arXiv:2503.14476; CPPO, arXiv:2503.22342; LUFFY,
#   arXiv:2504.14945.
# - CalibRL, arXiv:2602.20197, Eq. 9.
#
# Next: [05 The whole objective](05_the_whole_objective.ipynb)
