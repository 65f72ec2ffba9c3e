# %% [markdown]
# # Paper and released code: two methods under one name
#
# **The question.** The paper writes one loss, the code that its authors released computes another. What does each do,
# and which of them makes the difference?
#
# **Afterwards you can** read a released loss as the gradient that it is, say for any token by how much it scales
# GRPO's, show three situations in which that rule breaks, and reproduce somebody else's numbers.
#
# **Time.** About 30 seconds on two cores to run, 25 minutes to read. You need tutorials 2 to 5.

# %%
import json

import numpy as np
import torch
from course import PALETTE, budget, check, look, panels, predict, show, solved, use_style

from calibrl_ref import BASELINES, GAPS, RECIPES, Rollouts, correctness_sign, group_advantage
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

use_style()
SEEDS = range(budget(full=32, reduced=3))
STEPS = budget(full=600, reduced=30)

# %% [markdown]
# ## 1. One prompt, four responses, one expert
#
# The paper's loss of a response compares its log-probability as a whole with that of the expert's solution, both
# under the current policy:
#
# <!-- formula: exploration_loss -->
# $$\ell_i = \lvert A_i \rvert \cdot \operatorname{LeakyReLU}_\alpha\left(-s_i\,
# \left(\log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})\right)\right)$$
#
# The released code keeps the formula and changes what goes in: it compares *token t of the response with token t of
# the expert's text*, and takes the expert's log-probability from the policy before the update, as a constant. Token 5
# of a response and token 5 of the expert's text have nothing to do with each other.
#
# Here is a batch small enough to see both: two right and two wrong responses, and the expert in the last row.

# %%
generator = torch.Generator().manual_seed(3)
length = torch.tensor([7, 5, 8, 6, 5])
mask = torch.arange(8) < length.unsqueeze(1)
old = -(2.0 * torch.rand(5, 8, generator=generator, dtype=torch.float64) ** 2 + 0.02)
old[4] *= 3.0  # a policy is usually surer of what it wrote itself than of what the expert wrote
correct = torch.tensor([True, True, False, False, True])
is_expert = torch.tensor([False, False, False, False, True])
group = torch.zeros(5, dtype=torch.long)
rollouts = Rollouts(
    token_log_prob=old.clone().requires_grad_(),
    old_token_log_prob=old,
    mask=mask,
    group=group,
    is_expert=is_expert,
    correct=correct,
    advantage=group_advantage(correct.double(), group, is_expert, scale_by_std=False),
)
ROWS = ("right 1", "right 2", "wrong 1", "wrong 2", "expert")
for name, total, advantage in zip(ROWS, (old * mask).sum(1), rollouts.advantage, strict=True):
    print(f"{name:8s} log-probability {total:6.2f} nats, advantage {advantage:+.2f}")

# %% [markdown]
# The gate passes a gap in full (slope 1) where the policy needs correction, and by half ($\alpha = 0.5$) elsewhere.
# Which slope does each token get?


# %%
def token_slopes(baseline: str, gap: str) -> torch.Tensor:
    """The gate's slope at each token of the four responses."""
    policy, expert = GAPS[gap].log_probs(rollouts, BASELINES[baseline](rollouts))
    sign = correctness_sign(correct)
    signed = -sign * (policy - expert) if policy.dim() == 1 else -sign.unsqueeze(1) * (policy - expert)
    slope = torch.where(signed > 0, 1.0, 0.5)
    return (slope if slope.dim() == 2 else slope.unsqueeze(1)).expand(5, 8)[:4].where(mask[:4], torch.nan)


def draw_tokens(axes, values, title, *, cmap, limits) -> None:
    """One value a token: rows are responses."""
    axes.imshow(np.ma.masked_invalid(values), cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto")
    axes.set_yticks(range(len(values)), ROWS[: len(values)])
    axes.set_xticks(range(0, 8, 2))
    axes.grid(False)
    axes.set(title=title, xlabel="token")


# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=2.4, sharey=True)
for ax, (title, *form) in zip(
    (axes, right), (("paper", "expert", "trajectory"), ("released code", "old_expert", "token_aligned")), strict=True
):
    slopes = token_slopes(*form)
    draw_tokens(ax, slopes, title, cmap="cividis", limits=(0.0, 1.2))
    for (row, token), slope in np.ndenumerate(slopes.numpy()):
        if np.isfinite(slope):
            ax.text(
                token, row, f"{slope:g}", ha="center", va="center", fontsize=8, color="black" if slope == 1 else "white"
            )
show(
    figure,
    "The gate's slope at each token: one value a response in the paper's form, a patchwork in the released code's.",
)

# %% [markdown]
# The paper asks one question of a response: are you surer of it than of the expert's? The released code asks it of
# every token, against an unrelated one. From token 5 on, where the expert's text has ended, it compares with 0, so
# that the answer is decided by the verdict alone.
#
# ## 2. Who is pushed
#
# A descent step raises a token's log-probability by minus the gradient. Here is that push, for the exploration term
# alone, with the expert's row:


# %%
def exploration_push(recipe: str) -> torch.Tensor:
    """Minus the gradient of the exploration term with respect to each token's log-probability."""
    share = RECIPES[recipe](scale_by_std=False)(rollouts).terms["exploration"]
    (gradient,) = torch.autograd.grad(share, rollouts.token_log_prob)
    return (-gradient).where(mask, torch.nan)


# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=2.7, sharey=True)
for ax, recipe, title in ((axes, "calibrl", "paper"), (right, "calibrl_released", "released code")):
    push = exploration_push(recipe)
    largest = float(push.nan_to_num().abs().max())
    draw_tokens(ax, push, title, cmap="PuOr_r", limits=(-largest, largest))
    print(f"{title:13s}: push on the expert's tokens, summed: {push[4].nansum():+.4f}")
show(figure, "Push on each token: the paper's form pushes the expert's row, the released code leaves it at zero.")

# %% [markdown]
# Orange is up, purple down, each panel on its own scale. Both raise right responses and lower wrong ones; what sets
# them apart is the last row. The paper's gap contains the expert's log-probability with its gradient, so the expert
# moves. In the released code it is a constant: nothing ever pushes the policy towards the expert.
#
# ### Exercise 7.1
# *Medium, 10 minutes.*
# The paper's form, a policy that is surer of all its responses than of the expert's (all gaps positive). Each response
# is pushed by $s_i \lvert A_i \rvert$ times the gate's slope at its gap, and the expert by as much the other way. What
# is the net push on the expert, the sum over all responses? The advantages are positive for right responses, negative
# for wrong ones, and add up to zero.


# %% tags=["exercise"]
def push_on_expert(advantage: torch.Tensor, slope: float) -> float:
    """Return the net push on the expert's log-probability, all gaps being positive."""
    return ...  # your code


# %% tags=["check"]
check("7.1", push_on_expert)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# All gaps are positive. For which verdict does the gate attenuate then?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Add the pushes of the right responses and of the wrong ones apart; as the advantages add up to zero, one sum is
# minus the other.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# The push on the expert is minus what is left.
#
# </details>
#
# <details><summary>Solution</summary>
#
# A right response that is likelier than the expert is attenuated, a wrong one is not. With advantages that add up to
# zero the rest does not cancel:
#
# ```python
# def push_on_expert(advantage: torch.Tensor, slope: float) -> float:
#     """Minus the sum of the pushes: slope * A for right responses, A for wrong ones."""
#     return float((1.0 - slope) * advantage.clamp(min=0.0).sum())
# ```
#
# At slope 1 it is zero: then the expert plays no part in the paper's form either.
# </details>

# %% [markdown]
# ## 3. The released loss is GRPO with two step sizes
#
# Where the ratio is 1 and the sign of the advantage agrees with the verdict, a token's share of the two terms is
# $-A_i \log \pi$ and $0.1 \lvert A_i \rvert g\,(-s_i) \log \pi$, up to constants. As $s_i \lvert A_i \rvert = A_i$,
# they add up to
#
# $$\nabla \mathcal{L} = -\frac{1}{T} \sum_{i,t} A_i \left(1 + 0.1\,g_{i,t}\right) \nabla \log \pi(y_{i,t}),
# \qquad g_{i,t} \in \{0.5,\, 1\}$$
#
# with $T$ tokens in the batch: GRPO without the standard deviation, its gradient scaled by 1.05 or 1.10. All that the
# expert does is to choose which of the two. No need to believe it; here is the gradient of a larger batch, divided by
# GRPO's.


# %%
def released_factor(reward: torch.Tensor, correct: torch.Tensor, log_ratio: float) -> dict[str, torch.Tensor]:
    """The released loss's gradient at each token, divided by that of plain centred GRPO: -A / T."""
    random = torch.Generator().manual_seed(0)
    prompts, size, time = 12, 7, 16
    is_expert = torch.arange(prompts * size) % size == size - 1
    group = torch.arange(prompts * size) // size
    mask = torch.arange(time) < torch.randint(6, time, (prompts * size, 1), generator=random)
    old = -torch.rand(prompts * size, time, generator=random, dtype=torch.float64) - 0.6
    advantage = group_advantage(reward, group, is_expert, scale_by_std=False)
    batch = Rollouts(
        token_log_prob=(old + log_ratio * advantage.sign().unsqueeze(1)).requires_grad_(),
        old_token_log_prob=old,
        mask=mask,
        group=group,
        is_expert=is_expert,
        correct=correct,
        advantage=advantage,
    )
    (gradient,) = torch.autograd.grad(RECIPES["calibrl_released"]()(batch).total, batch.token_log_prob)
    counted = mask & ~is_expert.unsqueeze(1)
    factor = -gradient * counted.sum() / advantage.unsqueeze(1)
    learnt = counted & (advantage != 0).unsqueeze(1)
    inside = BASELINES["old_expert"](batch).mask
    verdict = correct.unsqueeze(1).expand_as(mask)
    return {
        "factor": factor[learnt],
        "inside": inside[learnt],
        "correct": verdict[learnt],
        "expert": gradient[is_expert],
    }


rows = 12 * 7
verdicts = torch.rand(rows, generator=torch.Generator().manual_seed(1)) < 0.5
plain = released_factor(verdicts.double(), verdicts, log_ratio=0.0)
values, counts = plain["factor"].round(decimals=9).unique(return_counts=True)
print("factors at ratio 1, verdict as reward:", dict(zip(values.tolist(), counts.tolist(), strict=True)))
print(
    "largest distance from 1.05 or 1.10:   ", f"{(plain['factor'] - plain['factor'].round(decimals=2)).abs().max():.0e}"
)
print("largest gradient on an expert's token:", f"{plain['expert'].abs().max():.0e}")

# %% [markdown]
# Two values, and nothing at the expert. Now the three places where the rule breaks:
#
# - **Beyond the expert's end** there is nothing to compare with, and 0 is taken. The gap $\log \pi - 0$ is always
#   negative, so a right token gets 1.10 and a wrong one 1.05, whatever the expert says.
# - **Clipped tokens**: where PPO's clip has ended GRPO's push, the exploration term goes on, with 5 or 10 % of it.
# - **The format reward**: in a group of wrong answers a well-formed one has a reward of 0.1, so a *positive*
#   advantage, and a verdict of wrong. The two terms then push against each other.

# %%
clipped = released_factor(verdicts.double(), verdicts, log_ratio=0.5)
formatted = torch.rand(rows, generator=torch.Generator().manual_seed(2)) < 0.5
wrong = torch.zeros(rows, dtype=torch.bool)
format_only = released_factor(0.1 * formatted.double(), wrong, log_ratio=0.0)
against = format_only["factor"] < 1.0  # the well-formed ones: wrong, and yet of positive advantage
situations = {
    "as the rule says": plain["factor"][plain["inside"]],
    "beyond the expert's end: right": plain["factor"][~plain["inside"] & plain["correct"]],
    "beyond the expert's end: wrong": plain["factor"][~plain["inside"] & ~plain["correct"]],
    "clipped": clipped["factor"],
    "well-formed in an all-wrong group": format_only["factor"][against],
}

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.2)
for place, (name, factors) in enumerate(situations.items()):
    levels, counts = factors.round(decimals=6).unique(return_counts=True)
    axes.scatter(levels, [place] * len(levels), s=30 + 150 * counts / counts.sum(), color=PALETTE["pink"], zorder=3)
    print(f"{name:34s}", [f"{level:.2f}" for level in levels.tolist()])
axes.axvline(1.0, color="black", linewidth=1)
axes.text(0.99, -0.55, "GRPO", ha="right", va="center")
axes.set_yticks(range(len(situations)), situations)
axes.set(xlabel="gradient divided by GRPO's", xlim=(-0.05, 1.2), ylim=(len(situations) - 0.5, -0.9))
show(
    figure, "The released loss's gradient as a multiple of GRPO's: 1.05 or 1.10, 0.05 or 0.10 if clipped, 0.90 or 0.95."
)

# %% [markdown]
# ### Exercise 7.2
# *Hard, 15 minutes.*
# Write the rule with its exceptions: the factor of a token at ratio 1, from the verdict, the advantage, and the gap
# $\log \pi(y_{i,t}) - e_t$ to the expert's token ($\alpha = 0.5$, $\lambda = 0.1$).


# %% tags=["exercise"]
def factor(correct: bool, advantage: float, gap: float) -> float:
    """Return the gradient of the released loss at a token of ratio 1, divided by GRPO's."""
    return ...  # your code


# %% tags=["check"]
check("7.2", factor)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# First the size: the gate's argument is $-s\,\Delta$. For which of the two signs does it attenuate?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Then the direction: GRPO goes by the advantage, the exploration term by the verdict. When do they agree?
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def factor(correct: bool, advantage: float, gap: float) -> float:
#     """1 + 0.1 g where verdict and advantage agree, 1 - 0.1 g where they do not."""
#     sign = 1.0 if correct else -1.0
#     slope = 1.0 if -sign * gap > 0 else 0.5
#     agree = 1.0 if sign * advantage > 0 else -1.0
#     return 1.0 + agree * 0.1 * slope
# ```
# </details>

# %% [markdown]
# ## 4. Golden numbers
#
# All this is about our `calibrl_released`. Is it what the released code computes? That code was run, unchanged, on 96
# batches of random numbers; inputs, losses and gradients are stored in `tests/core/data` (no code is). Six of them:

# %%
FILE = np.load("../tests/core/data/released_losses.npz")
CASES = json.loads(str(FILE["__meta__"]))
chosen = [
    case
    for case, settings in CASES.items()
    if settings["mode"] == "expert-guided" and settings["aggregation"] == "token-mean"
]
print("case      format reward   released total   ours             largest difference of the gradients")
for case in sorted(chosen):
    stored = {name: torch.as_tensor(FILE[f"{case}/{name}"]) for name in ("logp", "old_logp", "mask", "group")}
    stored |= {name: torch.as_tensor(FILE[f"{case}/{name}"]) for name in ("is_expert", "correct", "score", "grad_logp")}
    settings, expert, prompt = CASES[case], stored["is_expert"].bool(), stored["group"].long()
    scaled = settings["scale_advantage_by_std"]
    golden = Rollouts(
        token_log_prob=stored["logp"].clone().requires_grad_(),
        old_token_log_prob=stored["old_logp"],
        mask=stored["mask"].bool(),
        group=prompt,
        is_expert=expert,
        correct=stored["correct"].bool(),
        advantage=group_advantage(stored["score"], prompt, expert, scale_by_std=scaled).double(),
    )
    options = {"clip_low": settings["clip_low"], "clip_high": settings["clip_high"], "dual_clip": settings["dual_clip"]}
    total = RECIPES["calibrl_released"](**options)(golden).total
    (gradient,) = torch.autograd.grad(total, golden.token_log_prob)
    theirs, distance = float(FILE[f"{case}/total_loss"]), (gradient - stored["grad_logp"]).abs().max()
    ours = float(total.detach())
    print(f"{case}  {settings['format_reward']!s:15} {theirs:+.9f}     {ours:+.9f}     {distance:.0e}")

# %% [markdown]
# Equal to all digits printed; `tests/core/test_golden.py` compares all 96, and rejects a slope that is off by 0.001.
# To reproduce numbers is a stronger statement than to have read the code with care: it leaves nothing to
# interpretation.
#
# ## 5. Does it matter?
#
# In the toy both forms can train, and so can the *controls* that section 3 suggests: GRPO at a learning rate that is 5
# or 10 % higher, and the paper's form with its expert detached.

# %% [markdown]
# **Predict, then look.** Which of the others ends where the released form ends?
#
# - (a) none: the expert brings something
# - (b) only the paper's form
# - (c) GRPO at a learning rate that is 5 or 10 % higher

# %%
predict("7a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
ARMS = {
    "GRPO": ("grpo", 1.0),
    "GRPO, learning rate x 1.05": ("grpo", 1.05),
    "GRPO, learning rate x 1.10": ("grpo", 1.10),
    "released form": ("calibrl_released", 1.0),
    "paper's form, expert detached": ("calibrl:detach_expert=true", 1.0),
    "paper's form": ("calibrl", 1.0),
}
final = {
    name: train(
        parse_method(method), World(), Training(steps=STEPS, points=2, learning_rate=4.0 * factor_of_rate), SEEDS
    )["accuracy"][-1]
    for name, (method, factor_of_rate) in ARMS.items()
}

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.0)
for place, (name, accuracy) in enumerate(final.items()):
    colour = PALETTE[{"paper's form": "red", "released form": "pink"}.get(name, "black")]
    scattered = place + np.linspace(-0.25, 0.25, len(accuracy))
    axes.plot(accuracy, scattered, "o", markersize=3, alpha=0.5, color=colour)
    print(f"{name:30s} accuracy {accuracy.mean():.3f}, solved by {solved(accuracy)} seeds")
axes.set_yticks(range(len(final)), final)
axes.set(xlabel="exact accuracy at the end, a dot for each seed", xlim=(0.4, 1.0), ylim=(len(final) - 0.5, -0.5))
show(
    figure,
    "Accuracy of every seed: without a gradient into the expert few leave 0.6; by the paper's form all reach 0.95.",
)

# %%
look("7a")

# %% [markdown]
# Only the paper's form leaves the others. The released form is where GRPO is, at any of the three rates, and where the
# paper's own form is as soon as its expert is detached: **in this world the whole effect is the gradient through the
# expert**, and the released code does not have it.
#
# ### Exercise 7.3
# *Easy, 5 minutes.*
# With slope 1 the released form needs no expert any more: it is centred GRPO at another learning rate, as long as
# nothing is clipped. By which factor?

# %% tags=["exercise"]
learning_rate_factor = ...

# %% tags=["check"]
check("7.3", learning_rate_factor)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# What is $g$ where slope 1 attenuates nothing?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Put it into the factor of section 3.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# learning_rate_factor = 1.1
# ```
#
# $1 + 0.1\,g$ with $g = 1$ at every token. This is why "GRPO at 1.1 times the learning rate" is a control that any
# result of the released form has to beat.
# </details>

# %% [markdown]
# ## What this does not show
#
# - **That the paper's results are wrong.** They were measured with billions of parameters and hundreds of tokens a
#   response, and published without seeds or intervals. This toy has four decisions, and a policy without any sharing
#   between contexts. What was run for the paper's tables is not known to us; the code is what was released.
# - **That 5 to 10 % on some tokens never matters.** With five updates a batch, as the released script takes, clipped
#   tokens go on being pushed. Here there is one update a batch.
# - The released script differs from the paper in more than the loss: a format reward, no division by the standard
#   deviation, token means, five updates for CalibRL where GRPO has four.
#
# ## References
#
# - CalibRL: arXiv:2602.20197, Eq. 9 and 10; the [released code](https://github.com/zhh6425/CalibRL),
#   `src/core_algos.py`.
# - How the golden numbers were made: `tests/core/data/SOURCE.md`; what they verify:
#   [docs/verification.md](../docs/verification.md).
# - Dual clip: arXiv:1912.09729. GRPO without the standard deviation: arXiv:2503.20783.
#
# **Next:** [Break it](08_break_it.ipynb): ten faults that no shape test sees.
