# %% [markdown]
# # The gap and the sign: four quadrants
#
# **The question.** An expert's solution is at hand. How can it guide a policy without being copied?
#
# **Afterwards you can** compute the gap between a response and the expert's, say for each of the four quadrants who is
# pushed where, and see what goes wrong when gaps are taken token by token or between responses of unequal length.
#
# **Time.** About 20 seconds on two cores to run, 25 minutes to read. It builds on
# [notebook 1](01_entropy_collapse.ipynb).

# %%
import numpy as np
import torch
from course import PALETTE, budget, check, draw_curve, look, panels, predict, show, solved, use_style

from calibrl_ref import (
    GAPS,
    Rollouts,
    correctness_sign,
    exploration_loss,
    group_advantage,
    log_prob_gap,
    quadrant_table,
    trajectory_log_prob,
)
from calibrl_ref.baselines import old_expert_baseline
from toy.learning.methods import parse_method
from toy.learning.population import Population
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

use_style()
SEEDS = range(budget(full=16, reduced=2))
STEPS = budget(full=600, reduced=30)

# %% [markdown]
# ## 1. How sure is the policy of an answer?
#
# A response is a sequence of tokens; its log-probability is the sum of its tokens':
#
# <!-- formula: trajectory_log_prob -->
# $$\log \pi(\tau) = \sum_t \log \pi(y_t)$$
#
# CalibRL asks a *comparative* question: is the policy surer of its own response than of the expert's?
#
# <!-- formula: log_prob_gap -->
# $$\Delta_i = \log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})$$
#
# Both terms come from the same policy. A gap of $+2$ nats means: it would rather give its own response, $e^2 \approx 7$
# times as likely: of such a response the policy is *overconfident*. Whatever makes *every* response to a prompt
# unlikely (a hard, long problem) is in both terms.

# %%
own = torch.tensor([[-0.2, -0.1, -0.3, 0.0], [-1.5, -2.0, -1.0, -0.5]])
expert = torch.tensor([[-0.9, -0.7, -1.0, -0.4]]).expand(2, -1)
mask = torch.tensor([[True, True, True, False], [True, True, True, True]])  # the first response has three tokens
gap = log_prob_gap(trajectory_log_prob(own, mask), trajectory_log_prob(expert, torch.ones_like(mask)))
for place, value in enumerate(gap.tolist()):
    print(f"response {place}: gap {value:+.1f} nats, {np.exp(value):.2f} times as likely as the expert's")

# %% [markdown]
# ## 2. The sign is the verdict's, not the reward's
#
# <!-- formula: correctness_sign -->
# $$s_i = +1 \text{ if correct, } -1 \text{ if not}$$
#
# The sign of the verdict looks like the sign of a reward, and often is not. Training rewards carry extras. With 0.1 for
# the right format, a wrong but well-formed answer has a positive reward; in a group of wrong answers it even has a
# positive advantage.

# %%
reward = torch.tensor([0.1, 0.0, 0.0, 0.0])  # four wrong answers, the first one of the right format
advantage = group_advantage(reward, torch.zeros(4, dtype=torch.long))
print("sign of the advantage:", advantage.sign().tolist())
print("sign of the verdict:  ", correctness_sign(torch.zeros(4, dtype=torch.bool)).tolist())

# %% [markdown]
# ### Exercise 2.1
# *Easy, 5 minutes.*
# The reward is 1 for a right answer, plus 0.1 for the right format. Recover the sign from it.


# %% tags=["exercise"]
def sign_of_reward(reward: torch.Tensor) -> torch.Tensor:
    """Return +1 where the answer was right and -1 where it was wrong, whatever its format."""
    return ...  # your code


# %% tags=["check"]
check("2.1", sign_of_reward)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Write down the four possible rewards. Which of them belong to right answers?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `correctness_sign` takes verdicts: compare the reward with a threshold that is far from all four values.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def sign_of_reward(reward: torch.Tensor) -> torch.Tensor:
#     """Only a right answer is worth more than its format."""
#     return correctness_sign(reward > 0.5)
# ```
#
# The released code writes `reward > 0.1`, strictly, so the format's 0.1 must arrive exactly: computed as `1.1 - 1.0` it
# is 0.10000000000000009 and counts as right. A threshold well between the values has no such trap.
#
# </details>

# %% [markdown]
# ## 3. Four quadrants
#
# Verdict and sign of the gap make four cases. CalibRL's loss of one response is
#
# <!-- formula: exploration_loss -->
# $$\ell_i = \lvert A_i \rvert \cdot \operatorname{LeakyReLU}_\alpha\left(-s_i\,
# \left(\log \pi(\tau_i) - \log \pi(\tau_{\mathrm{expert}})\right)\right)$$
#
# The [next notebook](03_gate.ipynb) is about the gate, the one after it about $\lvert A_i \rvert$. Here we only ask
# autograd whom a descent step pushes: `-gradient` for the response and for the expert's.

# %%
response = torch.tensor([-5.0, -1.0, -1.0, -5.0], requires_grad=True)
reference = torch.full((4,), -3.0, requires_grad=True)
correct = torch.tensor([True, True, False, False])
loss = exploration_loss(response, reference, correct, torch.ones(4), slope=0.5)
push_response, push_expert = (-gradient for gradient in torch.autograd.grad(loss.sum(), [response, reference]))

TITLES = ("right, less likely\nthan the expert", "right, likelier", "wrong, likelier", "wrong, less likely")

# %% tags=["hide-input"]
figure, axes = panels(2, 2, height=2.1, sharex=True, sharey=True)
for panel, title, own_push, its_push in zip(axes, TITLES, push_response, push_expert, strict=True):
    for place, push in enumerate((float(own_push), float(its_push))):
        colour = PALETTE["blue" if push > 0 else "red"]
        panel.annotate("", (place, push), (place, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 3})
    panel.set(title=title, xlim=(-0.6, 1.6), ylim=(-1.3, 1.3))
    panel.set_xticks([0, 1], ["the response", "the expert's"])
    panel.axhline(0.0, color="black", linewidth=0.8)
axes[0].set_ylabel("push on log $\\pi$")
axes[2].set_ylabel("push on log $\\pi$")
show(
    figure,
    "Arrows: right responses go up and the expert's down, wrong ones down and the expert's up; weak beyond the expert.",
)
for cell in quadrant_table((response - reference).detach(), correct, slope=0.5):
    print(f"correct={cell.correct!s:5} overconfident={cell.overconfident!s:5} slope {cell.slope}")

# %% [markdown]
# - The *response* goes where GRPO would send it: right up, wrong down. Only the strength differs: in full where the
#   policy is on the wrong side of the expert (unsure and right, or sure and wrong), by $\alpha$ where it is not.
# - The *expert's* response goes the other way by the same amount. Nothing says "imitate": it rises only against wrong
#   answers and falls against right ones.
#
# ## 4. Which quadrant is a batch in?
#
# Exactly, for the toy: for each demonstration, the policy's probability of a response that is right or wrong, and
# likelier or less likely than that demonstration. `on_point` gives us the policy along a run.


# %% [markdown]
# **Predict, then look.** CalibRL is often explained by a right answer that the policy finds *less* likely than the
# expert's. Which share of what a policy draws is likelier than what the expert shows?
#
# - (a) about a half: the expert is one of many
# - (b) about a quarter
# - (c) more than nine in ten

# %%
predict("2a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)


# %%
def quadrant_shares(population: Population) -> np.ndarray:
    """Return the probability of each quadrant, [4, seeds], averaged over the demonstrations."""
    log_prob = population.exact.path_log_prob(population.node_log_prob().detach())  # [seeds, families, paths]
    shown = log_prob.gather(-1, population.demonstration.flatten(2))
    likelier = (log_prob.unsqueeze(-1) > shown.unsqueeze(-2)).double().mean(-1)
    right, wrong = log_prob.exp() * population.success, log_prob.exp() * (1 - population.success)
    shares = (right * (1 - likelier), right * likelier, wrong * likelier, wrong * (1 - likelier))
    return np.stack([share.sum(-1).mean(-1).numpy() for share in shares])


training = Training(steps=STEPS, points=31)
shares = {"grpo": [], "calibrl": []}
for name, seen in shares.items():
    train(
        parse_method(name), World(), training, SEEDS, on_point=lambda _, p, seen=seen: seen.append(quadrant_shares(p))
    )

# %% tags=["hide-input"]
figure, axes = panels(2, height=3.2, sharey=True)
colours = [PALETTE[name] for name in ("sky", "blue", "red", "orange")]
labels = [title.replace("\n", " ") for title in TITLES]
for panel, (name, seen) in zip(axes, shares.items(), strict=True):
    panel.stackplot(training.recorded_steps, np.stack(seen).mean(-1).T, colors=colours, labels=labels)
    panel.set(title=name, xlabel="training step", ylim=(0, 1), xlim=(0, STEPS))
axes[0].set_ylabel("share of responses")
axes[0].legend(*axes[0].get_legend_handles_labels(), loc="lower left", fontsize=8, frameon=True, framealpha=0.9)
show(figure, "Shares of the four quadrants over training: nearly all responses are likelier than the expert's.")
for name, seen in shares.items():
    first, last = np.stack(seen).mean(-1)[[0, -1]]
    print(f"{name:8s} likelier than the expert: {first[1] + first[2]:.2f} at first, {last[1] + last[2]:.2f} at last")

# %%
look("2a")

# %% [markdown]
# What the policy *draws* is, nearly always, likelier than what the expert shows, simply because it is what it draws. So
# two of the four quadrants do the work: right and likelier (attenuated), wrong and likelier (in full). The quadrant
# that the method is often explained with, a right answer that the policy under-represents, is nearly empty here.

# %% [markdown]
# ### Exercise 2.2
# *Easy, 5 minutes.*
# A trainer hands you a padded batch; under the mask lies junk. Compute the gap of each response to the expert's.


# %% tags=["exercise"]
def gaps_of_batch(
    own: torch.Tensor, own_mask: torch.Tensor, expert: torch.Tensor, expert_mask: torch.Tensor
) -> torch.Tensor:
    """Return the gap of each row in nats, [rows]; all arguments are [rows, time]."""
    return ...  # your code


# %% tags=["check"]
check("2.2", gaps_of_batch)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# There is a function for the log-probability of a whole response, and one for the gap.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The two responses of a row differ in length, so each needs its own mask; and do not multiply by a mask where junk
# may be infinite.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def gaps_of_batch(own, own_mask, expert, expert_mask):
#     """Each with its own mask: the two responses differ in length."""
#     return log_prob_gap(trajectory_log_prob(own, own_mask), trajectory_log_prob(expert, expert_mask))
# ```
#
# Multiplying by the mask is not enough: padding may hold NaN or infinity, and $0 \cdot \infty$ is NaN.
#
# </details>

# %% [markdown]
# ## 5. Token against token
#
# The released code takes the gap token by token: token $t$ of the response against token $t$ *of the expert's unrelated
# text*, and against 0 beyond the expert's last token. `GAPS` holds both levels; here with a response of 40 tokens and
# an expert of 25, both of about the same log-probability per token.

# %%
generator = torch.Generator().manual_seed(1)
token_log_prob = -torch.rand(2, 40, generator=generator)
length = torch.tensor([40, 25])
rollouts = Rollouts(
    token_log_prob=token_log_prob,
    old_token_log_prob=token_log_prob,
    mask=torch.arange(40) < length.unsqueeze(1),
    group=torch.zeros(2, dtype=torch.long),
    is_expert=torch.tensor([False, True]),
    correct=torch.tensor([True, True]),
    advantage=torch.ones(2),
)
baseline = old_expert_baseline(rollouts)
by_token = log_prob_gap(*GAPS["token_aligned"].log_probs(rollouts, baseline))[0]
whole = log_prob_gap(*GAPS["trajectory"].log_probs(rollouts, baseline))[0]

# %% tags=["hide-input"]
figure, (axes,) = panels(height=2.8)
axes.bar(range(40), by_token, color=[PALETTE["blue" if value > 0 else "orange"] for value in by_token])
axes.axvline(24.5, color="black", linestyle=":", label="the expert's last token")
axes.set(xlabel="token of the response", ylabel="gap (nats)")
axes.legend(loc="upper right")
show(figure, "Token gaps change sign at random up to the expert's last token and are all negative beyond it.")
print(f"gap of the whole response: {float(whole):+.1f} nats: one verdict, the policy is less sure than of the expert's")
before, beyond = (int((part > 0).sum()) for part in by_token.split([25, 15]))
print(f"tokens with a positive gap: {before} of the first 25, {beyond} of the last 15")

# %% [markdown]
# Up to the expert's end the sign is a coin toss between two unrelated words; beyond it every token is "less likely than
# the expert's", whatever it says. So the token gate mostly tells a token's position from another's.
#
# ## 6. Length bias
#
# The gap of whole responses has a fault of its own: a sum over tokens falls with length. A response twice as long as
# the expert's, of equal confidence *per token*, has a very negative gap. `trajectory_mean` divides both by their
# lengths.

# %%
lengths = torch.arange(5, 61)
per_token, expert_length = -0.5, 30
total = log_prob_gap(per_token * lengths, torch.full((56,), per_token * expert_length))

# %% tags=["hide-input"]
figure, (axes,) = panels(height=2.8)
for verdict, colour in ((True, "blue"), (False, "red")):
    own_log_prob = (per_token * lengths).clone().requires_grad_()
    reference = torch.full((56,), per_token * expert_length)
    loss = exploration_loss(own_log_prob, reference, torch.full((56,), verdict), torch.ones(56), slope=0.5)
    loss.sum().backward()
    axes.plot(lengths, own_log_prob.grad.neg(), color=PALETTE[colour], label="right" if verdict else "wrong")
axes.axvline(expert_length, color="black", linestyle=":", label="the expert's length")
axes.set(xlabel="tokens in the response", ylabel="push on its log-probability")
axes.legend(loc="center right")
show(
    figure,
    "At equal confidence per token, short right responses are pushed by 0.5 and long ones by 1; wrong ones reversed.",
)

# %% [markdown]
# All these responses are equally sure per token. Yet right answers are pushed in full if they are *long*, and wrong
# ones if they are *short*: both reward length. The paper reports that normalising by length changes little; with
# responses that differ as much as chains of thought do, it is worth measuring.

# %% [markdown]
# ### Exercise 2.3
# *Easy, 5 minutes.*
# Give a response and an expert for which the two levels disagree: the whole response is *likelier* than the expert's,
# but *less* likely per token.


# %% tags=["exercise"]
def disagreement() -> dict[str, float]:
    """Return the lengths in tokens and the mean log-probabilities per token in nats."""
    return {"own_length": ..., "own_mean": ..., "expert_length": ..., "expert_mean": ...}  # your numbers


# %% tags=["check"]
check("2.3", disagreement)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The whole log-probability is length times mean. Which of the two responses should be the short one?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Let the response be short and unsure, the expert long and sure; then adjust the lengths until the products are in
# the order that is asked for.
#
# </details>
#
# <details><summary>Solution</summary>
#
# A short, unsure response against a long, sure expert: $10 \cdot (-1) = -10$ nats against $40 \cdot (-0.5) = -20$.
#
# ```python
# def disagreement() -> dict[str, float]:
#     """Short and unsure against long and sure."""
#     return {"own_length": 10, "own_mean": -1.0, "expert_length": 40, "expert_mean": -0.5}
# ```
#
# </details>

# %% [markdown]
# ## 7. What the level does to training
#
# All responses of the toy have four decisions, so there is no length bias here; only the level and the expert's
# gradient differ.

# %%
LEVELS = {
    "grpo": "GRPO",
    "calibrl": "whole response",
    "calibrl:gap=token_aligned": "token by token, gradient into the expert",
    "calibrl_length_normalised": "per token on average",
    "calibrl_length_normalised:exploration_weight=0.4": "per token on average, lambda 0.4",
    "calibrl_released": "released: token by token, expert constant",
}
found = {name: train(parse_method(name), World(), training, seeds=SEEDS) for name in LEVELS}

# %% tags=["hide-input"]
figure, (axes, right) = panels(1, 2, height=2.7, sharex=True)
looks = (("black", "-"), ("red", "-"), ("orange", "--"), ("sky", "-"), ("blue", ":"), ("pink", "-"))
for (name, label), (colour, dash) in zip(LEVELS.items(), looks, strict=True):
    for panel, quantity in ((axes, "entropy"), (right, "accuracy")):
        draw_curve(
            panel, training.recorded_steps, found[name][quantity], name, label=label, style=(PALETTE[colour], dash)
        )
    accuracy = found[name]["accuracy"][-1]
    print(f"{label:42s} accuracy {accuracy.mean():.3f}, solved by {solved(accuracy)} seeds")
axes.set(ylabel="entropy\n(nats per decision)", ylim=0, xlabel="")
right.set(ylabel="accuracy", ylim=(0, 1))
axes.legend(fontsize=8)
show(
    figure, "Training curves for four levels of the gap beside GRPO: those with a strong gradient into the expert rise."
)

# %% [markdown]
# - Averaging over the four decisions divides the gap by four, so at the same $\lambda$ the term is four times
#   weaker, and ends where GRPO ends. With $\lambda = 0.4$ it is the same loss as the whole response's: with equal
#   lengths nothing is left between them but the scale. Who compares the two should say which scale they kept.
# - Token by token does as well as the whole response *if the gradient flows into the expert*. The released form
#   stops it, and ends where GRPO ends. [Notebook 7](07_paper_and_released_code.ipynb) follows that up.

# %% [markdown]
# ## What this does not show
#
# - That per-token gaps are as good in a language model: with four decisions of equal length, token and whole response
#   differ little. Sections 5 and 6 are the arithmetic of lengths, not a training run.
# - That the under-represented right answer never matters: with a weaker expert, or one that writes like the policy,
#   that quadrant fills up.
#
# ## References
#
# - CalibRL, arXiv:2602.20197, Eq. 9; its [released code](https://github.com/zhh6425/CalibRL), `compute_mix_policy_loss`
#   in `src/core_algos.py`.
# - On length and sums of log-probabilities: Dr. GRPO, arXiv:2503.20783.
#
# Next: [03 The gate](03_gate.ipynb)
