# %% [markdown]
# # GRPO in twenty lines
#
# **The question.** How does a model learn from nothing but "right" and "wrong"?
#
# **Afterwards you can** write GRPO from memory in plain PyTorch, say why its loss may be zero while its gradient is
# not, and what the ratio and the clip of its formula are for.
#
# **Time.** About 5 seconds on two cores to run, 20 minutes to read. You need PyTorch's tensors and `autograd`, and
# what a softmax is; no reinforcement learning.

# %%
import torch
from course import PALETTE, budget, check, look, panels, predict, show, use_style

from calibrl_ref import RECIPES, Rollouts

use_style()
STEPS = budget(full=150, reduced=20)

# %% [markdown]
# ## 1. Eight answers
#
# "What is 3 + 4?" Our model is a table of ten numbers, a *logit* for each digit; a softmax makes them a distribution,
# the *policy*. We draw eight answers to the one question, a *group*, and a *verifier* pays 1 for a right answer and 0
# for a wrong one. Nobody tells the model what the right answer is.

# %%
generator = torch.Generator().manual_seed(8)
logits = torch.zeros(10, dtype=torch.float64)  # all digits alike
answers = torch.multinomial(logits.softmax(-1), 8, replacement=True, generator=generator)
reward = (answers == 7).double()
print("answers  ", answers.tolist())
print("rewards  ", reward.int().tolist())

# %% [markdown]
# Which answers should become likelier? Those that did better than the group. So take off the group's mean, and divide
# by its standard deviation, so that easy and hard questions count alike. What is left is the *advantage*.

# %%
advantage = (reward - reward.mean()) / (reward.std() + 1e-6)
print(f"mean {float(reward.mean()):.3f}, standard deviation {float(reward.std()):.3f}")
print("advantages", [f"{value:+.2f}" for value in advantage.tolist()])
print(f"sum {abs(float(advantage.sum())):.6f}")

# %% [markdown]
# A right answer among many wrong ones has a large advantage, a wrong one a small negative one, and they add up to zero.
# As a formula, with $R_i$ the reward of answer $i$ and $\varepsilon$ a millionth against division by zero:
#
# <!-- formula: group_advantage -->
# $$A_i = \frac{R_i - \operatorname{mean}(R)}{\operatorname{std}(R) + \varepsilon}$$

# %% [markdown]
# ### Exercise 0.1
# *Easy, 5 minutes.* Write the advantage as a function. It must also serve a group in which every answer is right.


# %% tags=["exercise"]
def advantage_of(reward: torch.Tensor) -> torch.Tensor:
    """Return the advantage of each answer of one group."""
    return ...  # your code


# %% tags=["check"]
check("0.1", advantage_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Begin with what every answer loses: the group's mean.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Where all rewards are alike the deviation is 0. What must stand beside it in the denominator so that 0 / 0 becomes
# 0?
#
# </details>
#
# <details><summary>Solution</summary>
#
# The millionth makes 0 / 0 a 0: a group that is all right has nothing to say about which answer is better.
#
# ```python
# def advantage_of(reward: torch.Tensor) -> torch.Tensor:
#     """Less the mean, over the standard deviation."""
#     return (reward - reward.mean()) / (reward.std() + 1e-6)
# ```
#
# </details>

# %% [markdown]
# ## 2. The whole method
#
# Sample, verify, centre, raise the log-probability of what was better than its group. There is no more to it.


# %% [markdown]
# **Predict, then look.** While the probability of the digit 7 rises, what becomes of the entropy of the ten digits?
#
# - (a) it stays near 2.30 nats: nobody asked for less
# - (b) it rises, as the model tries more
# - (c) it falls to nearly 0 nats

# %%
predict("0a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)


# %%
def grpo(steps: int, *, learning_rate: float = 0.5, seed: int = 0) -> torch.Tensor:
    """Train; return the probabilities of the ten digits before each step, [steps, 10]."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    history = []
    for _ in range(steps):
        policy = logits.detach().softmax(-1)
        history.append(policy)
        answers = torch.multinomial(policy, 8, replacement=True, generator=generator)  # sample
        reward = (answers == 7).double()  # verify
        advantage = (reward - reward.mean()) / (reward.std() + 1e-6)  # centre
        log_prob = logits.log_softmax(-1)[answers]
        loss = -(advantage * log_prob).mean()
        loss.backward()
        with torch.no_grad():
            logits -= learning_rate * logits.grad
            logits.grad = None
    return torch.stack(history)


histories = [grpo(STEPS, seed=seed) for seed in range(8)]

# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=2.8)
for history in histories:
    entropy = -(history * history.log()).sum(-1)
    axes.plot(history[:, 7], color=PALETTE["black"], linewidth=0.8, alpha=0.6)
    right.plot(entropy, color=PALETTE["black"], linewidth=0.8, alpha=0.6)
axes.set(xlabel="training step", ylabel="probability of the digit 7", ylim=(0, 1.02))
right.set(xlabel="training step", ylabel="entropy (nats)", ylim=0)
show(figure, "Eight seeds: the probability of the right digit rises to nearly one, the entropy falls to nearly zero.")
print(f"last seed: probability of 7 from {float(history[0, 7]):.2f} to {float(history[-1, 7]):.2f}")
print(f"           entropy from {float(entropy[0]):.2f} to {float(entropy[-1]):.2f} nats")

# %%
look("0a")

# %% [markdown]
# The model finds the answer. Its *entropy* says how undecided it is: $\log 10 \approx 2.30$ nats for ten digits alike,
# 0 for one that is sure. Here it may fall, as the model is sure of the truth. What happens where it becomes sure of
# something else is what [notebook 1](01_entropy_collapse.ipynb) is about.
#
# ## 3. Why that is the right gradient
#
# We want more reward on average, $J = \sum_a \pi(a) R(a)$. But $R$ is a program without a derivative, and we only have
# samples. Three lines, with $\nabla \pi = \pi \nabla \log \pi$ in the second, turn the derivative into a mean over
# samples:
#
# $$\nabla J = \sum_a \nabla \pi(a)\, R(a)$$
# $$\phantom{\nabla J} = \sum_a \pi(a)\, \nabla \log \pi(a)\, R(a)$$
# $$\phantom{\nabla J} = \operatorname{E}_{a \sim \pi}\left[R(a)\, \nabla \log \pi(a)\right]$$
#
# And any number may be taken off $R$ that does not depend on the answer, as $\sum_a \pi(a) \nabla \log \pi(a) =
# \nabla \sum_a \pi(a) = \nabla 1 = 0$: it changes the noise, not the mean. The group's mean is nearly such a number;
# it holds the answer itself as one of eight, which shortens the mean step to seven eighths. The cell measures it for a
# model that is right two times in three, and once with a verifier that pays 1 more to everybody.

# %%
GROUPS = budget(full=200_000, reduced=20_000)
logits = (3.0 * torch.eye(10, dtype=torch.float64)[7]).requires_grad_()
policy = logits.softmax(-1)
(exact,) = torch.autograd.grad(policy[7], [logits])  # J is the probability of the digit 7
draws = torch.multinomial(policy.detach(), GROUPS * 8, replacement=True, generator=generator).reshape(GROUPS, 8)
score = torch.eye(10, dtype=torch.float64)[draws] - policy.detach()  # of a softmax: one-hot less probabilities
rewards = (draws == 7).double()
centred = rewards - rewards.mean(1, keepdim=True)
for name, weight in (("reward", rewards), ("reward plus 1", rewards + 1), ("reward less the mean", centred)):
    sampled = (weight.unsqueeze(-1) * score).mean(1)
    spread = sampled.std(0).norm()
    length = float(sampled.mean(0) @ exact / exact.norm() ** 2)
    noise = float(spread / sampled.mean(0).norm())
    print(f"{name:21s} mean step {length:.3f} of the exact one, noise of one group {noise:.2f} of the mean step")

# %% [markdown]
# The constant that everybody gets moves nothing and drowns the step in noise; with the mean taken off, no constant
# counts. It is not the quietest choice (here the bare reward is quieter), but one that no scale of rewards can spoil.
#
# ## 4. The loss is zero and the gradient is not
#
# Papers write GRPO with a *ratio* in place of the logarithm: the probability under the model that is trained, over
# that under the model that sampled. Before the first step both are the same, every ratio is 1, and the loss is minus
# the mean of the advantages: zero. Its gradient is that of the twenty lines, as $\nabla r = r \nabla \log \pi =
# \nabla \log \pi$ at $r = 1$.

# %%
logits = torch.linspace(-1.0, 1.0, 10, dtype=torch.float64, requires_grad=True)
log_prob = logits.log_softmax(-1)[answers]
old_log_prob = log_prob.detach()
by_log = -(advantage * log_prob).mean()
by_ratio = -(advantage * (log_prob - old_log_prob).exp()).mean()
(gradient_by_log,) = torch.autograd.grad(by_log, [logits], retain_graph=True)
(gradient_by_ratio,) = torch.autograd.grad(by_ratio, [logits])
print(f"loss by logarithm {float(by_log.detach()):.4f}, by ratio {abs(float(by_ratio.detach())):.4f}")
print(f"length of the gradient {float(gradient_by_log.norm()):.4f} and {float(gradient_by_ratio.norm()):.4f}")
assert torch.allclose(gradient_by_log, gradient_by_ratio)

# %% [markdown]
# Two losses of different value, one gradient. So a loss near zero in a log file is no fault, and a falling one no
# success: **the value of a policy gradient's loss says nothing; look at the reward.**
#
# ## 5. Ratio and clip
#
# Sampling is dear, so one batch often serves several updates. From the second on the answers come from an *older*
# policy than the one that is trained. The ratio corrects for that, and the *clip* stops an answer once its probability
# has moved by a fifth in the direction in which its advantage pushes it:
#
# <!-- formula: clipped_surrogate -->
# $$\ell_t = \max\left(-r_t A,\;
# -\operatorname{clip}(r_t,\, 1 - \varepsilon_{\mathrm{low}},\, 1 + \varepsilon_{\mathrm{high}})\, A\right)$$
#
# Two signs of the advantage, and moved far enough or not: four regions.

# %% [markdown]
# **Predict, then look.** An answer did worse than its group ($A = -1$), yet since it was sampled it has become 1.5
# times as likely. What does the clip to 0.8 ... 1.2 leave of its gradient?
#
# - (a) all of it
# - (b) a fifth
# - (c) nothing

# %%
predict("0b", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %% tags=["hide-input"]
ratio = torch.linspace(0.4, 1.6, 241, dtype=torch.float64)
figure, both = panels(2, height=3.0, sharey=True)
for axes, sign, edge in zip(both, (1.0, -1.0), (1.2, 0.8), strict=True):
    loss = torch.maximum(-ratio * sign, -ratio.clamp(0.8, 1.2) * sign)
    flat = ratio > edge if sign > 0 else ratio < edge
    axes.plot(ratio[~flat], loss[~flat], color=PALETTE["blue"], label="gradient")
    axes.plot(ratio[flat], loss[flat], "--", color=PALETTE["red"], label="no gradient")
    axes.axvline(1.0, color="black", linewidth=0.6)
    axes.set(xlabel="ratio $r$", title="better than its group, $A = 1$" if sign > 0 else "worse, $A = -1$")
both[0].set_ylabel("loss")
both[0].legend()
show(
    figure,
    "The loss over the ratio: flat above 1.2 for a positive advantage, below 0.8 for a negative one, sloped elsewhere.",
)

# %%
look("0b")

# %% [markdown]
# An answer better than its group has had its share once it is a fifth likelier, and a worse one once it is a fifth
# rarer. The other two ends are *not* flat: an answer that has drifted the wrong way is still brought back.

# %% [markdown]
# ### Exercise 0.2
# *Medium, 5 minutes.* For which ratio and advantage (not 0) does a clipped answer get no gradient?


# %% tags=["exercise"]
def no_gradient(ratio: float, advantage: float) -> bool:
    """Return whether the clip to 0.8 ... 1.2 leaves this answer without a gradient."""
    return ...  # your code


# %% tags=["check"]
check("0.2", no_gradient)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Look at the two panels: for each sign of the advantage one end of the curve is flat.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Above 1.2 the answer has become likelier. For which sign of the advantage is that what was wanted?
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def no_gradient(ratio: float, advantage: float) -> bool:
#     """Moved by a fifth in the direction of the advantage."""
#     return ratio > 1.2 if advantage > 0 else ratio < 0.8
# ```
#
# </details>

# %% [markdown]
# ## 6. The library's GRPO is this one
#
# From here on we use the library's recipe `grpo`. It takes answers of many tokens, groups of any size, padding, and
# other ways of averaging; on our eight answers it must give our loss and our gradient, at the first update and later.

# %%
recipe = RECIPES["grpo"](clip_low=0.2, clip_high=0.2)
for scale in (1.0, 0.4, 2.0):  # of the logits since the answers were sampled: not moved yet, and moved
    logits = (scale * torch.linspace(-1.0, 1.0, 10, dtype=torch.float64)).requires_grad_()
    log_prob = logits.log_softmax(-1)[answers]
    ratio = (log_prob - old_log_prob).exp()
    ours = torch.maximum(-ratio * advantage, -ratio.clamp(0.8, 1.2) * advantage).mean()
    rollouts = Rollouts(
        token_log_prob=log_prob.unsqueeze(1),  # [rows, time]: answers of one token
        old_token_log_prob=old_log_prob.unsqueeze(1),
        mask=torch.ones(8, 1, dtype=torch.bool),
        group=torch.zeros(8, dtype=torch.long),  # one question
        is_expert=torch.zeros(8, dtype=torch.bool),
        correct=reward.bool(),
        advantage=recipe.advantage(reward, torch.zeros(8, dtype=torch.long), torch.zeros(8, dtype=torch.bool)),
    )
    theirs = recipe(rollouts).total
    (our_gradient,) = torch.autograd.grad(ours, [logits], retain_graph=True)
    (their_gradient,) = torch.autograd.grad(theirs, [logits])
    assert torch.allclose(ours, theirs)
    assert torch.allclose(our_gradient, their_gradient)
    low, high = ratio.detach().aminmax()
    print(f"ratios {float(low):.2f} to {float(high):.2f}: the same loss, the same gradient")

# %% [markdown]
# ## What this does not show
#
# - A table of ten logits is no language model. A response has hundreds of tokens; its log-probability is the sum of
#   theirs, and how tokens are averaged is a choice (notebook 5).
# - Nothing here can go wrong for long: every digit is drawn now and then. Where the right answer is rare and another is
#   right at times, the policy becomes sure too soon.
# - GRPO's original has a penalty for leaving a reference model; most runs today leave it out, and so do we.

# %% [markdown]
# ## References
#
# - R. Williams, *[Simple Statistical Gradient-Following Algorithms](https://doi.org/10.1007/BF00992696)*, 1992: section
#   3's identity.
# - J. Schulman et al., *Proximal Policy Optimization Algorithms*, arXiv:1707.06347: ratio and clip.
# - Z. Shao et al., *DeepSeekMath*, arXiv:2402.03300: GRPO.
#
# Next: [01 Entropy collapse](01_entropy_collapse.ipynb)
