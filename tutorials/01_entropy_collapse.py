# %% [markdown]
# # Entropy collapse: from a softmax bandit to GRPO
#
# **The question.** Why does a policy that is rewarded for right answers stop trying new ones, and can one predict how
# fast?
#
# **Afterwards you can** say in one line what makes entropy fall, predict the fall of each update to first order, take
# one GRPO step, and tell a policy that is *sure* from one that is *right*.
#
# **Time.** About 20 seconds on two cores to run, 25 minutes to read. You need PyTorch's tensors and `autograd`, and
# what a softmax is; what GRPO is stands in [notebook 0](00_grpo_in_twenty_lines.ipynb).

# %%
import numpy as np
import torch
from course import PALETTE, budget, check, draw_curve, look, panels, predict, show, use_style

from calibrl_ref import RECIPES, Rollouts, group_advantage, predicted_entropy_change, token_entropy, token_log_probs
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

use_style()
SEEDS = range(budget(full=16, reduced=2))
STEPS = budget(full=600, reduced=30)

# %% [markdown]
# ## 1. A policy that chooses one of four answers
#
# A *policy* is a distribution over answers; here it has one free number, a *logit*, for each. Its *entropy* says how
# undecided it is, in nats: 0 for a policy that always gives the same answer, $\log 4 \approx 1.39$ for one that draws
# all four alike.
#
# <!-- formula: token_entropy -->
# $$H_t = -\sum_v p_v \log p_v, \qquad p = \operatorname{softmax}(z_t / T)$$
#
# Ours prefers the first answer. A verifier accepts it six times in ten; the last answer, which the policy almost never
# gives, is nearly always right.

# %%
NAMES = ("common, right 6 in 10", "unusual, wrong", "rare, wrong", "rarest, right 95 in 100")
logits = torch.tensor([3.0, 1.5, 0.0, -1.5], dtype=torch.float64)
chance_right = torch.tensor([0.6, 0.02, 0.02, 0.95], dtype=torch.float64)
for name, probability in zip(NAMES, logits.softmax(-1), strict=True):
    print(f"{name:24s} given {probability:5.1%} of the time")
print(f"entropy {float(token_entropy(logits)):.3f} nats, accuracy {float(logits.softmax(-1) @ chance_right):.3f}")

# %% [markdown]
# ## 2. What a nudge does to the entropy
#
# Raise one logit by a little: does the policy become more or less decided? For a softmax policy the answer is, to first
# order, a covariance between how likely an answer is and how much its logit is raised:
#
# <!-- formula: predicted_entropy_change -->
# $$\Delta H \approx -\operatorname{Cov}_{a \sim \pi}\left(\log \pi(a),\, \Delta z(a)\right)$$
#
# So entropy falls when **the likely gets likelier**, and rises when the unlikely does. Nothing in it asks whether an
# answer is right. The figure compares the formula with what really happens.

# %%
nudges = 0.1 * torch.eye(4, dtype=torch.float64)
measured = token_entropy(logits + nudges) - token_entropy(logits)
predicted = predicted_entropy_change(logits.expand(4, -1), nudges)

# %% tags=["hide-input"]
figure, (axes,) = panels(height=2.8)
axes.barh(NAMES, measured, color=PALETTE["sky"], label="measured")
axes.plot(predicted, NAMES, "D", color=PALETTE["black"], label="predicted by the covariance")
axes.axvline(0.0, color="black", linewidth=0.8)
axes.set(xlabel="change of entropy (nats) when this answer's logit rises by 0.1", ylim=(3.6, -0.6))
axes.legend(loc="center left")
show(
    figure, "Raising the common answer lowers the entropy; raising any of the others increases it. The prediction fits."
)

# %% [markdown]
# Only the common answer's bar points left: a likely answer that gets likelier costs entropy. *Whose* logits a method
# raises therefore decides what becomes of the entropy. On to the method.

# %% [markdown]
# ## 3. One step of GRPO
#
# GRPO has no model of how good an answer is. It draws a *group* of answers, has them verified, and calls an answer good
# if it beat its group ([notebook 0](00_grpo_in_twenty_lines.ipynb) writes all of it in plain PyTorch):
#
# <!-- formula: group_advantage -->
# $$A_i = \frac{R_i - \operatorname{mean}(R)}{\operatorname{std}(R) + \varepsilon}$$
#
# Then it takes a gradient step that raises the log-probability of answers with a positive advantage and lowers the
# others'. Here is one such step, by the library's recipe, for one group of 16:

# %%
generator = torch.Generator().manual_seed(0)
answers = torch.multinomial(logits.softmax(-1), 16, replacement=True, generator=generator)
correct = torch.rand(16, generator=generator) < chance_right[answers]
group = torch.zeros(16, dtype=torch.long)  # one prompt, so one group
advantage = group_advantage(correct.double(), group)

parameters = logits.clone().requires_grad_()
log_prob = token_log_probs(parameters.expand(16, -1), answers).unsqueeze(1)  # [rows, time]: answers of one token
rollouts = Rollouts(
    token_log_prob=log_prob,
    old_token_log_prob=log_prob.detach(),
    mask=torch.ones(16, 1, dtype=torch.bool),
    group=group,
    is_expert=torch.zeros(16, dtype=torch.bool),
    correct=correct,
    advantage=advantage,
)
loss = RECIPES["grpo"]()(rollouts).total
loss.backward()
step = -parameters.grad

print("drawn:  ", {name: int((answers == place).sum()) for place, name in enumerate(NAMES)})
print("right:  ", int(correct.sum()), "of 16")
print("loss:   ", f"{abs(float(loss.detach())):.6f}", "(zero at the first step, as the advantages add up to zero)")
print("step:   ", [f"{value:+.3f}" for value in step.tolist()])
print(f"entropy: {float(predicted_entropy_change(logits, step)):+.4f} nats predicted, for a learning rate of 1,")
print(f"         {float(token_entropy(logits + step) - token_entropy(logits)):+.4f} nats measured")

# %% [markdown]
# The common answer goes up although it is right only six times in ten: it beat a group in which the rest was wrong. The
# best answer was not drawn, so nothing could be learnt about it; softmax even takes a little from it. And the entropy
# falls. That is the whole of entropy collapse in one step:
#
# 1. the policy can only learn from what it draws, and it draws what is likely;
# 2. where the likely is right more often than the rest, the likely gets likelier;
# 3. by the covariance, entropy falls, and less is drawn.
#
# The loss is zero and its gradient is not. In a log file that looks like a fault; it is not one.

# %% [markdown]
# ### Exercise 1.1
# *Medium, 10 minutes.*
# Find a change of the four logits, no longer than 0.1 (Euclidean), that *raises* the entropy by at least 0.02 nats.


# %% tags=["exercise"]
def raise_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Return a change of the logits, of length at most 0.1, that raises the entropy by at least 0.02 nats."""
    return ...  # your code


# %% tags=["check"]
check("1.1", raise_entropy)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# By section 2, which logits have to fall and which to rise?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The steepest way up a function is its gradient: make a leaf of the logits, call `token_entropy`, ask `autograd`, and
# use up the length.
#
# </details>
#
# <details><summary>Solution</summary>
#
# The steepest way up is the gradient of the entropy. By the covariance, it lowers the likely and raises the unlikely.
#
# ```python
# def raise_entropy(logits: torch.Tensor) -> torch.Tensor:
#     """Follow the gradient of the entropy."""
#     leaf = logits.clone().requires_grad_()
#     (gradient,) = torch.autograd.grad(token_entropy(leaf), [leaf])
#     return 0.1 * gradient / gradient.norm()
# ```
#
# </details>

# %% [markdown]
# ## 4. Four hundred steps
#
# `toy.learning.trainer.train` repeats this step, all seeds in one tensor program. A bandit is a world of one decision:
# we give it the same kinds of answer (one *sound*, one *shortcut*, the others wrong) and let the sound one's starting
# probability vary. `sound_mass` is the policy's exact probability of the sound answer.

# %% [markdown]
# **Predict, then look.** The sound answer starts at 1 %, so a batch of 128 draws it about once. In how many of the
# seeds does it lead in the end?
#
# - (a) in nearly all: it is right more often than the shortcut
# - (b) in about half
# - (c) in hardly any

# %%
predict("1a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
bandit_training = Training(steps=budget(full=400, reduced=20), points=21, learning_rate=0.5)
found = {}
for prior in (0.001, 0.01, 0.1):
    shape = World(depth=1, sound=1, shortcuts=1, demonstrations=1, executable=1.0, sound_prior=prior)
    found[prior] = train(parse_method("grpo"), shape, bandit_training, seeds=SEEDS)

# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=3.0)
for (prior, curves), colour in zip(found.items(), ("red", "blue", "green"), strict=True):
    style = (PALETTE[colour], "-")
    draw_curve(axes, bandit_training.recorded_steps, curves["entropy"], "grpo", label=f"{prior:g}", style=style)
    draw_curve(right, bandit_training.recorded_steps, curves["sound_mass"], "grpo", label=f"{prior:g}", style=style)
axes.set(ylabel="entropy (nats)", ylim=0)
right.set(ylabel="probability of the sound answer", ylim=(-0.02, 1.02))
right.legend(title="at the start")
show(
    figure, "A bandit under GRPO for three starting probabilities of the best answer: the rarer, the less often found."
)
for prior, curves in found.items():
    share = float((curves["sound_mass"][-1] > 0.5).mean())
    print(f"sound answer at {prior:5.1%} at the start: it leads at the end in {share:4.0%} of {len(SEEDS)} seeds")

# %%
look("1a")

# %% [markdown]
# One per cent is not rare enough to go unseen in a batch of 128, yet it is lost. A likely reason: before it is drawn
# often enough to be raised, the shortcut's gain has taken its probability away. The low entropy on the left is no fault
# in itself: a policy that has found the sound answer *should* be sure of it. What is lost, with a rare one, is the
# chance to find it. **Low entropy tells you that a policy has stopped searching, not whether it has found anything**:
# look at both panels, always.

# %% [markdown]
# ### Exercise 1.2
# *Easy, 5 minutes.*
# How likely is it that a batch of `draws` answers holds at least one of probability `probability`?


# %% tags=["exercise"]
def chance_to_meet(probability: float, draws: int) -> float:
    """Return the chance that an answer of this probability is drawn at least once."""
    return ...  # your code


# %% tags=["check"]
check("1.2", chance_to_meet)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Turn the question round: what is the chance that it is *not* drawn?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The draws are independent, so chances multiply: missing it once, missing it `draws` times.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def chance_to_meet(probability: float, draws: int) -> float:
#     """One minus the chance that every draw misses it."""
#     return 1.0 - (1.0 - probability) ** draws
# ```
#
# A batch of 128 meets an answer of 0.1 % about one time in eight, and one of 0.001 % about once in 800 batches: as
# collapse makes a rare answer rarer still, it soon is never met.
#
# </details>

# %% [markdown]
# ## 5. A world of 256 paths
#
# A response of a language model is a sequence of decisions. The toy's default world has four decisions of four options:
# 256 *paths*. Four *shortcuts* (right with chance 0.6) hold 80 % of the untrained policy's probability; eight *sound*
# paths (0.95) share half a per cent. The policy is a table of logits, one for each option at each of 85 prefixes.
#
# All of it can be enumerated, so the entropy and the accuracy below are exact; the entropy is per decision, the unit of
# the token entropy that real runs log. We record every step, with the change of entropy that the covariance predicts
# for the update (`predicted_entropy_change`) and the one that it causes (`entropy_change`).

# %%
training = Training(steps=STEPS, points=STEPS + 1)
grpo = train(parse_method("grpo"), World(), training, seeds=SEEDS)
steps = training.recorded_steps

# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=3.0)
for seed in range(len(SEEDS)):
    axes.plot(steps, grpo["entropy"][:, seed], color=PALETTE["black"], linewidth=0.6, alpha=0.5)
    right.plot(steps, grpo["accuracy"][:, seed], color=PALETTE["black"], linewidth=0.6, alpha=0.5)
axes.set(xlabel="training step", ylabel="entropy (nats per decision)", ylim=0)
right.set(xlabel="training step", ylabel="accuracy", ylim=(0, 1))
show(figure, "Entropy and accuracy of GRPO, one line a seed: entropy falls to near zero, accuracy stops near 0.6.")
for when in (0, min(100, STEPS // 2), STEPS):
    print(f"step {when:3d}: entropy {grpo['entropy'][when].mean():.3f}, accuracy {grpo['accuracy'][when].mean():.3f}")
stuck = (grpo["accuracy"][-1] < 0.7).sum()
print(f"{stuck} of {len(SEEDS)} seeds end on a shortcut")

# %% [markdown]
# What GRPO gains it gains while its entropy falls. Then most seeds sit on a shortcut for good; the rare seed that
# meets a sound path in time goes to 0.95.
#
# ## 6. Measured against predicted
#
# If the covariance is the cause, then adding up its predictions, step by step, must give the entropy curve.

# %%
drift = {
    "sum of the predicted changes": grpo["predicted_entropy_change"][:-1].cumsum(0),
    "sum of the measured changes": grpo["entropy_change"][:-1].cumsum(0),
}

# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=3.0)
fallen = grpo["entropy"][1:] - grpo["entropy"][0]
axes.plot(steps[1:], fallen.mean(1), color=PALETTE["black"], linewidth=3, alpha=0.3, label="entropy since the start")
for (label, values), style in zip(drift.items(), ("--", ":"), strict=True):
    axes.plot(steps[1:], values.mean(1), style, color=PALETTE["red" if style == "--" else "blue"], label=label)
axes.set(xlabel="training step", ylabel="change of entropy\n(nats per decision)")
axes.legend(fontsize=8)
right.plot(grpo["predicted_entropy_change"].ravel(), grpo["entropy_change"].ravel(), ".", markersize=2, color="black")
limits = (float(grpo["entropy_change"].min()), float(grpo["entropy_change"].max()))
right.plot(limits, limits, color=PALETTE["red"], linewidth=1)
right.set(xlabel="predicted (nats per decision)", ylabel="measured", title="each update of each seed")
show(figure, "Summed first-order predictions follow the entropy curve; single updates lie close to the diagonal.")

# %%
correlation = np.corrcoef(grpo["predicted_entropy_change"].ravel(), grpo["entropy_change"].ravel())[0, 1]
print(f"correlation over {grpo['entropy_change'].size} updates: {correlation:.3f}")
small = Training(steps=STEPS, points=STEPS + 1, learning_rate=1.0)
for rate, curves in {4: grpo, 1: train(parse_method("grpo"), World(), small, seeds=SEEDS)}.items():
    predicted, measured = (curves[name].sum(0).mean() for name in ("predicted_entropy_change", "entropy_change"))
    print(f"learning rate {rate}: entropy fell by {-measured:.3f} nats per decision, predicted {-predicted:.3f}")

# %% [markdown]
# The prediction needs nothing but the policy and the step. It is of first order: with the toy's large steps it misses
# about a tenth of the fall, with steps of a quarter of that size about half as much.

# %% [markdown]
# ### Exercise 1.3
# *Medium, 10 minutes.*
# Under the exact policy gradient, answer $a$'s logit moves in proportion to $\pi(a)\,(R(a) - \bar R)$, with $R(a)$ the
# chance that it is right and $\bar R$ the policy's accuracy. For the policy below, choose chances in $[0, 1]$ such that
# this step *raises* the entropy. So collapse is no law of nature: it depends on where the reward is.


# %% tags=["exercise"]
def chances_that_raise_entropy() -> torch.Tensor:
    """Return four chances to be right, for answers with the logits 3.0, 1.5, 0.0 and -1.5."""
    return ...  # your code


# %% tags=["check"]
check("1.3", chances_that_raise_entropy)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Who has to lose probability for the entropy to rise?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# An answer's logit falls if it is right less often than the policy is on average. The likeliest answer has the logit
# 3.0.
#
# </details>
#
# <details><summary>Solution</summary>
#
# The step must take from the likely and give to the unlikely: the common answer has to be the worst.
#
# ```python
# def chances_that_raise_entropy() -> torch.Tensor:
#     """The common answer is always wrong, the others are right."""
#     return torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64)
# ```
#
# </details>

# %% [markdown]
# ## 7. Does more entropy help?
#
# The obvious remedy is to pay the policy for entropy. That is undirected: it lifts the 244 bad paths together with the
# eight good ones. The usual weights are 0.001 to 0.01 per nat.

# %% [markdown]
# **Predict, then look.** Which bonus gets the policy to the sound paths?
#
# - (a) 0.2
# - (b) 0.03
# - (c) 0.6: the more entropy, the better

# %%
predict("1b", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
coarse = Training(steps=STEPS, points=31)
paid = {
    weight: train(parse_method(f"entropy_bonus:entropy_weight={weight}"), World(), coarse, seeds=SEEDS)
    for weight in ("0", "0.03", "0.2", "0.6")
}

# %% tags=["hide-input"]
looks = (("#000000", "-"), ("#56B4E9", "-"), ("#56B4E9", "--"), ("#56B4E9", ":"))
figure, (axes, right) = panels(2, height=3.0)
for (weight, curves), style in zip(paid.items(), looks, strict=True):
    draw_curve(axes, coarse.recorded_steps, curves["entropy"], "entropy_bonus", label=weight, style=style)
    draw_curve(right, coarse.recorded_steps, curves["accuracy"], "entropy_bonus", label=weight, style=style)
    ended = f"entropy {curves['entropy'][-1].mean():.2f}, accuracy {curves['accuracy'][-1].mean():.3f}"
    print(f"bonus {weight:4s} {ended}")
axes.set(ylabel="entropy (nats per decision)", ylim=0)
right.set(ylabel="accuracy", ylim=(0, 1))
right.legend(title="bonus per nat", loc="lower right", fontsize=8)
show(
    figure,
    "A bonus of 0.03 keeps entropy without accuracy; 0.2 reaches the sound paths; 0.6 keeps the policy undecided.",
)

# %%
look("1b")

# %% [markdown]
# Three regimes, and a warning against quick conclusions:
#
# - a small bonus buys entropy and no accuracy: what is kept alive is indecision between answers that are known already;
# - a bonus twenty times the usual one *does* find the sound paths here, slowly;
# - a larger one pays so well that the policy never settles.
#
# So in this world undirected exploration works at the right price; it has to be found, and 256 paths are few. A
# response of 300 tokens has more alternatives than can be lifted evenly.
#
# CalibRL's idea is to *direct* the exploration: an expert's answer as a point of reference. The next notebook builds
# it.

# %% [markdown]
# ## What this does not show
#
# - The world was chosen so that GRPO gets stuck; `toy/world/settings.py` says how, and what others do. Outcomes are
#   decided by chance, all prompts share one policy, and the learning rate is high.
# - With Adam in place of plain gradient descent GRPO gets stuck less often here; see notebook 5.
# - A table of logits does not generalise. In a language model raising one answer also moves its relatives, and the
#   covariance over a vocabulary is estimated from samples.
# - A low entropy is bad only if something better was left to be found.

# %% [markdown]
# ## References
#
# - G. Cui et al., *The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models*, arXiv:2505.22617:
#   the covariance (Lemma 1), and remedies that act on it (Clip-Cov, KL-Cov: recipes `clip_cov` and `kl_cov`).
# - Z. Shao et al., *DeepSeekMath*, arXiv:2402.03300: GRPO.
# - *CalibRL: Controllable Exploration in Hybrid-Policy RLVR for Multi-Modal Reasoning*, arXiv:2602.20197.
#
# Next: [02 The gap and the sign](02_gap_and_sign.ipynb)
