# %% [markdown]
# # Break it: ten faults that no shape test sees
#
# **The question.** The loss has the right shape, it is finite, it falls, and the policy gets better. Is it right?
#
# **Afterwards you can** write the eight checks that find most faults in GRPO-like code, say what each of them cannot
# see, and score your own tests by planting faults.
#
# **Time.** About 30 seconds to run, an hour if you solve it. You need tutorials 2 to 5.

# %%
import inspect
from dataclasses import fields, replace

import numpy as np
import torch
from course import PALETTE, budget, check, look, panels, predict, show, use_style
from course.bugs import HEALTHY, PATIENTS, catches, examine, method_of, random_batch, shape_test

from calibrl_ref import RECIPES, Rollouts
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

use_style()

# %% [markdown]
# ## 1. The patient
#
# CalibRL's whole loss, as six functions short enough to read at a glance:

# %%
for part in fields(HEALTHY):
    print(inspect.getsource(getattr(HEALTHY, part.name)))

# %% [markdown]
# A batch holds what a trainer hands over: `log_prob`, `old_log_prob` and `mask` by row and token, `group`,
# `is_expert`, `correct` and `reward` by row; one row of each group is the expert's. `HEALTHY.loss(batch)` puts them
# together: the token mean of the surrogate, plus 0.1 times the mean exploration loss. The library gives the same
# number for the same batch, and the same gradient:

# %%
batch = random_batch()
rollouts = Rollouts(
    token_log_prob=batch.log_prob,
    old_token_log_prob=batch.old_log_prob,
    mask=batch.mask,
    group=batch.group,
    is_expert=batch.is_expert,
    correct=batch.correct,
    advantage=HEALTHY.group_advantage(batch.reward, batch.group, batch.is_expert),
)
library = RECIPES["calibrl"](aggregation="token_mean")(rollouts).total
gradients = [torch.autograd.grad(loss, batch.log_prob)[0] for loss in (library, HEALTHY.loss(batch))]
print(f"library {library.item():.12f}")
print(f"copy    {HEALTHY.loss(batch).item():.12f}")
print(f"largest difference of the gradients: {(gradients[0] - gradients[1]).abs().max():.0e}")

# %% [markdown]
# In the next room lie ten copies. In each of them **one line of one function** is wrong, in a way that somebody has
# shipped or could have: a sign, a mask, a stop-gradient, a slope, a group... `PATIENTS[1]` to `PATIENTS[10]` hold
# them; `PATIENTS[1].core` is a loss like `HEALTHY`. Do not open `course/bugs.py` yet.
#
# ## 2. The test that most losses get
#
# Shapes, no NaN, a gradient for every parameter, and a loss that a gradient step makes smaller:

# %%
print(inspect.getsource(shape_test))
for number, patient in PATIENTS.items():
    shape_test(patient.core)
    print(f"patient {number:2d}: passed, loss {patient.core.loss(batch).item():+.4f}")

# %% [markdown]
# All ten pass. So perhaps training shows it?
#
# ## 3. The learning curve does not tell either
#
# Each patient trains the toy of tutorial 5 (a world whose expert can be executed), with the same seeds and numbers.

# %% [markdown]
# **Predict, then look.** Each of the ten has one wrong line. How many of them end within 0.02 of the healthy loss's
# accuracy?
#
# - (a) none: each fault costs something
# - (b) about three
# - (c) about seven

# %%
predict("8a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
seeds, steps = range(budget(full=8, reduced=2)), budget(full=400, reduced=60)
training = Training(steps=steps, prompts=8, points=21, learning_rate=16.0)
weight = 0.025  # a token mean over four decisions: a quarter of the surrogate, so a quarter of lambda as well
cores = {0: HEALTHY} | {number: patient.core for number, patient in PATIENTS.items()}
world = World(executable=1.0)
curves = {
    number: train(method_of(core, str(number), weight=weight), world, training, seeds)["accuracy"].mean(1)
    for number, core in cores.items()
}

# %%
suspects = [number for number in PATIENTS if abs(curves[number][-1] - curves[0][-1]) > 0.02]
hidden = [number for number in PATIENTS if number not in suspects]

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.6)
for number in hidden:
    axes.plot(training.recorded_steps, curves[number], color="#999999", linewidth=1)
for number, colour in zip(suspects, (PALETTE["red"], PALETTE["blue"], PALETTE["pink"]), strict=False):
    axes.plot(training.recorded_steps, curves[number], color=colour, linewidth=2, label=f"patient {number}")
axes.plot([], [], color="#999999", label=f"the other {len(hidden)} patients")
axes.plot(training.recorded_steps, curves[0], color="black", linewidth=2.5, label="healthy")
axes.set(xlabel="training step", ylabel="exact accuracy", ylim=(0, 1))
axes.set_title("Most faults do not show in the learning curve")
axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.32))
show(figure, "Accuracy over training: seven of ten patients end where the healthy loss ends, at about 0.95.")
same = [number for number in PATIENTS if np.array_equal(curves[number], curves[0])]
steps_to_90 = {number: int(np.argmax(curve > 0.9)) for number, curve in curves.items() if curve[-1] > 0.9}
print("first step with an accuracy above 0.9 (0 is the healthy loss):")
print({number: training.recorded_steps[point] for number, point in steps_to_90.items()})
print(f"end within 0.02 of the healthy loss: {len(hidden)} of 10; draw its very curve: patients {same}")

# %%
look("8a")

# %% [markdown]
# Seven of ten end where the healthy loss ends, two of them sooner, and three draw its very curve: in the toy there is
# no padding, rows come in order, and with one update per batch the ratio is always 1. The code paths that are broken
# are not taken *there*. On a language model they would be, at 8 GPUs' cost. And of the three that stand out two still
# raise the accuracy: they would pass for a method that helps less than hoped.
#
# ## 4. Instruments
#
# A check is a function that gets a loss and raises `AssertionError` if it is ill. `examine(check)` first tries it on
# the healthy loss (a check that cries wolf is worth nothing) and then on all ten.
#
# ### A literal, away from the special point
#
# On-policy, at the first update, the ratio is 1 whatever you do to it. Choose a point where nothing coincides: a
# probability that went from 0.25 to 0.5 has the ratio 2.


# %%
def ratio_check(core):
    """From probability 0.25 to 0.5 the ratio is 2."""
    ratio = core.importance_ratio(torch.tensor([0.5]).log(), torch.tensor([0.25]).log())
    torch.testing.assert_close(ratio, torch.tensor([2.0]))


print("ratio_check catches", examine(ratio_check))

# %% [markdown]
# ### Who may influence whom
#
# Change one input, and list what must *not* move. An advantage is relative to its own group, so the rewards of
# another group do not matter to it. Nor does the expert's reward: CalibRL does not count the expert in the mean
# (LUFFY does).


# %%
def neighbour_check(core):
    """The rewards of one group do not move the advantages of the others."""
    batch = random_batch()
    changed = batch.reward.where(batch.group != 2, 1.0)
    before = core.group_advantage(batch.reward, batch.group, batch.is_expert)
    after = core.group_advantage(changed, batch.group, batch.is_expert)
    torch.testing.assert_close(after[batch.group != 2], before[batch.group != 2])


def expert_reward_check(core):
    """The expert's reward does not move the advantages of the policy's own responses."""
    batch = random_batch()
    changed = batch.reward.where(~batch.is_expert, 0.0)
    before = core.group_advantage(batch.reward, batch.group, batch.is_expert)
    after = core.group_advantage(changed, batch.group, batch.is_expert)
    torch.testing.assert_close(after[~batch.is_expert], before[~batch.is_expert])


print("neighbour_check catches", examine(neighbour_check))
print("expert_reward_check catches", examine(expert_reward_check))

# %% [markdown]
# ### The same batch in another form
#
# A batch is a set of responses. Their order carries no meaning, so the loss must not depend on it. Trainers do
# shuffle rows (TRL's `shuffle_sequence_dict` does, before every update).


# %%
def order_check(core):
    """The loss does not depend on the order of the rows."""
    batch = random_batch()
    order = torch.randperm(len(batch.group), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(core.loss(batch.rows(order)), core.loss(batch))


print("order_check catches", examine(order_check))

# %% [markdown]
# ### Exercise 8.1
# *Easy, 10 minutes.*
# Padding carries no meaning either. Write `padding_check`: `batch.pad(3)` gives the same responses with three more
# columns of padding, filled with junk.


# %% tags=["exercise"]
def padding_check(core):
    """The loss does not depend on the padding."""
    ...  # random_batch() makes a batch


# %% tags=["check"]
check("8.1", padding_check)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which two batches must give the same loss?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.testing.assert_close` raises an `AssertionError` where two numbers differ; `core.loss` takes a batch.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def padding_check(core):
#     """The loss does not depend on the padding."""
#     batch = random_batch()
#     torch.testing.assert_close(core.loss(batch.pad(3)), core.loss(batch))
# ```
#
# It catches two patients with different faults; to tell them apart, ask the parts: `core.trajectory_log_prob` and
# `core.aggregate` take a mask each. The junk that `pad` appends is random, and has to be: the same junk in every row,
# the expert's too, would cancel in the gap, and patient 3 would get away. That is how such a fault survives in
# practice.
# </details>

# %% [markdown]
# ### Where the gradient has to be zero
#
# PPO's clip ends the gradient where the ratio has gone far enough *in the direction that the advantage wants*, and
# nowhere else: a response that has become 1.5 times as likely although its advantage is negative must still be pushed
# down.


# %%
def clip_check(core):
    """The push ends above 1.2 for a positive advantage, below 0.8 for a negative one, and only there."""
    ratio = torch.tensor([0.5, 1.5, 0.5, 1.5], requires_grad=True)
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0])
    (gradient,) = torch.autograd.grad(core.clipped_surrogate(ratio, advantage).sum(), ratio)
    torch.testing.assert_close(-gradient, torch.tensor([1.0, 0.0, 0.0, -1.0]))


print("clip_check catches", examine(clip_check))

# %% [markdown]
# ### gradcheck, and what it cannot see
#
# `torch.autograd.gradcheck` compares the gradient with differences of the *same function*. A wrong formula has a
# perfectly consistent gradient, so nine of ten faults pass. What it does see is a stop-gradient: a value that moves
# the loss and gets no gradient for it.


# %%
def gradient_check(core):
    """The gradient is that of the loss: nothing that the loss depends on is detached."""
    batch = random_batch()
    same = torch.autograd.gradcheck(
        lambda log_prob: core.loss(replace(batch, log_prob=log_prob)), batch.log_prob, raise_exception=False
    )
    assert same, "autograd and finite differences disagree"


print("gradient_check catches", examine(gradient_check))

# %% [markdown]
# A stop-gradient can be meant: this patient does what the released code of CalibRL does on purpose (tutorial 7). A
# check says that something is detached; the paper, or the author, says whether it should be.
#
# ### Exercise 8.2: the push on each quadrant
# *Hard, 15 minutes.*
# The most telling check of all is the table of tutorial 2. With $|A| = 1$ a descent step pushes the log-probability
# of a response by
#
# | response | gap | push on the response | push on the expert |
# |---|---|---|---|
# | right | -2 | +1 | -1 |
# | right | +1 | +0.5 | -0.5 |
# | wrong | +1 | -1 | +1 |
# | wrong | -2 | -0.5 | +0.5 |
#
# Write `quadrant_check` for `core.exploration_loss`. A push is minus the gradient; `allow_unused=True` gives `None`
# for an input that gets none.


# %% tags=["exercise"]
def quadrant_check(core):
    """Each quadrant is pushed as the table says, and the expert against it."""
    policy = torch.tensor([-4.0, -1.0, -1.0, -4.0], requires_grad=True)
    expert = torch.tensor([-2.0, -2.0, -2.0, -2.0], requires_grad=True)
    correct = torch.tensor([True, True, False, False])
    core.exploration_loss(policy, expert, correct, torch.ones(4)).sum()
    ...


# %% tags=["check"]
check("8.2", quadrant_check)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Ask `torch.autograd.grad` for both inputs at once, and compare each with a column of the table.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The rows of the table are in the order of the tensors. The second column is minus the first.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# A detached expert gives `None`: that is a fault, so say so by an `assert` before you compare.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def quadrant_check(core):
#     """Each quadrant is pushed as the table says, and the expert against it."""
#     policy = torch.tensor([-4.0, -1.0, -1.0, -4.0], requires_grad=True)
#     expert = torch.tensor([-2.0, -2.0, -2.0, -2.0], requires_grad=True)
#     correct = torch.tensor([True, True, False, False])
#     loss = core.exploration_loss(policy, expert, correct, torch.ones(4)).sum()
#     own, other = torch.autograd.grad(loss, (policy, expert), allow_unused=True)
#     push = torch.tensor([1.0, 0.5, -1.0, -0.5])
#     torch.testing.assert_close(-own, push)
#     assert other is not None, "the expert gets no gradient"
#     torch.testing.assert_close(-other, -push)
# ```
#
# Three patients, told apart by what they get wrong: the sign of the first column, its size, or the whole second
# column.
# </details>

# %% [markdown]
# ## 5. The score
#
# Which check catches whom. A column without a mark is a patient that your tests would have shipped; as long as the
# two exercises are open, there are four of them.

# %%
CHECKS = (
    ratio_check,
    neighbour_check,
    expert_reward_check,
    order_check,
    padding_check,
    clip_check,
    gradient_check,
    quadrant_check,
)
caught = np.array([[catches(one, patient.core) for patient in PATIENTS.values()] for one in (shape_test, *CHECKS)])

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.6)
axes.imshow(caught, cmap="Blues", vmin=0, vmax=1.4, aspect="auto")
for row, column in np.argwhere(caught):
    axes.text(column, row, "X", ha="center", va="center", color="white", weight="bold")
axes.set_yticks(range(len(caught)), [one.__name__ for one in (shape_test, *CHECKS)])
axes.set_xticks(range(len(PATIENTS)), PATIENTS)
axes.grid(False)
axes.set_xticks(np.arange(0.5, len(PATIENTS) - 1), minor=True)
axes.set_yticks(np.arange(0.5, len(caught) - 1), minor=True)
axes.grid(which="minor", color="#BBBBBB", alpha=1.0)
axes.tick_params(which="minor", length=0)
axes.set(xlabel="patient", title="Each check sees its own kind of fault")
show(figure, "A table of checks and patients, marked where a check catches a patient; most patients have one mark.")
at_large = [number for number, found in zip(PATIENTS, caught.any(0), strict=True) if not found]
print(f"caught: {len(PATIENTS) - len(at_large)} of {len(PATIENTS)}; at large: {at_large}")

# %% [markdown]
# Read it by rows: no check sees more than three faults, and the shape test sees none. Read it by columns: most faults
# are seen by one check only, so leaving out one kind of check leaves out a kind of fault.
#
# ### Exercise 8.3
# *Hard, 25 minutes.*
# Now the diagnosis. For each patient, the name of its fault, out of these:

# %%
print("\n".join(sorted(patient.name for patient in PATIENTS.values())))

# %% tags=["exercise"]
diagnosis = dict.fromkeys(range(1, 11), "?")  # {1: "wrong sign", ...}

# %% tags=["check"]
check("8.3", diagnosis)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Section 5's table says which checks catch whom. Where one check catches several patients, ask the parts.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `core.trajectory_log_prob`, `core.aggregate` and `core.exploration_loss` can be called alone: which of them differs
# from `HEALTHY`'s, and is it the sign or the size?
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# diagnosis = {
#     1: "slope swapped",  # quadrant_check: right signs, wrong sizes
#     2: "std over the batch",  # neighbour_check
#     3: "missing mask",  # padding_check; core.trajectory_log_prob changes with junk under its mask
#     4: "clip on the wrong side",  # clip_check
#     5: "expert detached",  # gradient_check, and quadrant_check
#     6: "group ids mixed",  # order_check
#     7: "padding counted",  # padding_check; core.aggregate changes with the number of columns
#     8: "old and new swapped",  # ratio_check
#     9: "expert in the group mean",  # expert_reward_check
#     10: "wrong sign",  # quadrant_check
# }
# ```
#
# `print(PATIENTS[4].diff)` shows the line that was exchanged.
# </details>

# %% [markdown]
# ## 6. Planting faults is a test of the tests
#
# What you did by hand has a name, mutation testing: change a line, and see whether a test fails. Coverage says that a
# line was *run* by the tests; the shape test above runs every line of all six functions and sees nothing. `make
# mutants` plants faults of this kind in all of `calibrl_ref` and counts those that its tests notice.

# %% [markdown]
# ## What this does not show
#
# - Ten faults chosen by us are no sample of the faults that people make. That seven of ten leave the learning curve
#   alone holds in this toy, which has no padding and orders its rows; another testbed hides others.
# - A fault in the data, the reward or the generation is out of reach of these checks.
# - That a fault does not lower the accuracy here does not make it harmless, and that a fault speeds training up
#   (patients 2 and 9 do) does not make it right: what it computes is not what the paper says.
#
# ## References
#
# - Shengyi Huang et al., [*The 37 Implementation Details of Proximal Policy
#   Optimization*](https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/), 2022.
# - Joshua Achiam, [*Spinning Up as a Deep RL
#   Researcher*](https://spinningup.openai.com/en/latest/spinningup/spinningup.html), OpenAI 2018: "Broken RL code
#   almost always fails silently".
# - PPO's clip: arXiv:1707.06347, Eq. 7. CalibRL: arXiv:2602.20197, Eq. 9.
#
# **Next:** [A vision-language model](09_vision_language_model.ipynb), trained with the loss that you now trust.
