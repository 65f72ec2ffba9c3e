# %% [markdown]
# # Debug GRPO: ten ill runs
#
# **The question.** A run has gone wrong and all you have is its log. What is the matter with it?
#
# **Afterwards you can** name twelve metrics worth logging, say which fault moves which of them, and walk a decision
# tree from the curves to the fault.
#
# **Time.** About 20 seconds on two cores to run, 30 minutes to read. You need
# [notebook 0](00_grpo_in_twenty_lines.ipynb) and, for the expert, [notebook 2](02_gap_and_sign.ipynb).
# [Notebook 8](08_break_it.ipynb) looks for faults in code; here you see no code.

# %%
import torch
from course import PALETTE, budget, check, look, panels, predict, predictions_made, show, use_style
from course.faulty_runs import FAULTS, HEALTHY, METRICS, RUNS, diagnose, run

from calibrl_ref import expected_calibration_error

use_style()
STEPS = budget(full=30, reduced=3)

# %% [markdown]
# ## 1. A healthy run, and ten others
#
# Twelve prompts, eight responses each of up to eight tokens, a policy that is a table of logits, and an expert's
# solution to each prompt. A response is right if it begins with the right token (reward 1), and well formed if it holds
# a tag (reward 0.1). The loss is the library's `calibrl`. Each of ten runs has *one* of these faults:

# %%
for letter, (name, _) in FAULTS.items():
    print(f"{letter}  {name}")
healthy = run(HEALTHY, steps=STEPS)
ill = {number: run(FAULTS[letter][1], seed=number, steps=STEPS) for number, letter in RUNS.items()}

# %% [markdown]
# First the curve that everybody looks at. Can you tell who is ill?

# %% [markdown]
# **Predict, then look.** How many of the ten ill runs will end above an accuracy of 0.9, where the healthy one ends?
#
# - (a) two or fewer
# - (b) four or five
# - (c) seven or more

# %%
predict("11a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %% tags=["hide-input"]
figure, (axes,) = panels(height=2.8)
for curves in ill.values():
    axes.plot(curves["accuracy"], color=PALETTE["black"], linewidth=0.8, alpha=0.5)
axes.plot(healthy["accuracy"], color=PALETTE["blue"], linewidth=3, alpha=0.6, label="healthy")
axes.set(xlabel="training step", ylabel="accuracy", ylim=(0, 1.02))
axes.legend(loc="lower right")
show(figure, "Accuracy of the healthy run and ten ill ones: most of the ill ones rise as the healthy one does.")
risen = sum(curves["accuracy"][-1] > 0.9 for curves in ill.values())
print(f"{risen} of {len(ill)} ill runs end above an accuracy of 0.9; the healthy one at {healthy['accuracy'][-1]:.2f}")

# %%
look("11a")

# %% [markdown]
# **A rising reward does not say that a run is healthy.** This world is kind: no wrong answer ever pays, so even a wrong
# gradient finds the way. In a less kind one the same faults cost the run, and their marks in the log are the same.
#
# ## 2. The decision tree
#
# Ask in this order; stop at the first yes. The first three questions are about the *measuring*: as long as one of them
# is answered yes, no other curve means anything.
#
# 1. Does scoring the same tokens twice give two numbers? **Dropout is on.**
# 2. Do sampler and trainer disagree on what was sampled, before any update? **Another temperature**, or other weights.
# 3. Does the loss count more tokens than the responses have? **Padding is not masked.**
# 4. Are nearly all groups all right or all wrong, from the first step on? If every reward is the same, **the verifier
#    accepts everything** (or nothing); if some are right and some wrong, **the problems do not fit the policy**.
# 5. Is the mean advantage of a group not zero? **The advantages are over the batch.**
# 6. Does no gradient reach the expert's row? **It is detached.**
# 7. Is the format reward zero from the first step to the last? **Tags are lost** before the verifier sees them.
# 8. Is the reward more than accuracy and format together? **It pays for something else**: look at the length.
# 9. Nothing of all that, and the entropy falls within a few steps? **The learning rate is too high.**
#
# [The same on one page](debug_card.md), to print.
#
# ## 3. The runs
#
# Each of the following figures is one run; the healthy one is grey behind it. The scale of a panel is that of what is
# drawn in it.


# %% tags=["hide-input"]
def draw_run(number: int) -> None:
    """Twelve panels of one run, the healthy one behind."""
    figure, axes = panels(3, 4, height=1.25, dpi=110)
    for panel, (name, title) in zip(axes, METRICS.items(), strict=True):
        panel.plot(healthy[name], color="0.75", linewidth=3)
        panel.plot(ill[number][name], color=PALETTE["red"], linewidth=1.4)
        panel.set_title(title, fontsize=8)
        panel.tick_params(labelsize=7)
        panel.set_ylim(bottom=min(0.0, *healthy[name], *ill[number][name]), top=max(1e-3, *panel.get_ylim()))
    figure.suptitle(f"run {number}", fontsize=11)
    ends = ", ".join(f"{METRICS[name]} {ill[number][name][-1]:.2f}" for name in ("reward", "accuracy", "entropy"))
    show(figure, f"Twelve metrics of run {number} over the steps, beside the healthy run's; at the end {ends}.")


for number in range(1, 6):
    draw_run(number)

# %% [markdown]
# ### Exercise 11.1
# *Medium, 10 minutes.* Name the faults of runs 1 to 5 by their letters, as in `{1: "A", 2: "B", ...}`.

# %% tags=["exercise"]
first_five = ...  # your diagnoses


# %% tags=["check"]
check("11.1", first_five)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Ask the questions of section 2 in their order, for one run at a time. Panels that lie on the grey curve are healthy.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Run 1 is caught by the measuring itself; of runs 2 to 5 one has a flat gradient, one counts too many tokens, one
# never gets its format paid.
#
# </details>
#
# <details><summary>Solution</summary>
#
# Run 1 stops at question 2, run 2 at 4, run 3 at 6, run 4 at 3, run 5 at 7.
#
# ```python
# first_five = {1: "E", 2: "B", 3: "H", 4: "D", 5: "J"}
# ```
#
# </details>

# %%
for number in range(6, 11):
    draw_run(number)

# %% [markdown]
# ### Exercise 11.2
# *Medium, 10 minutes.* And those of runs 6 to 10.

# %% tags=["exercise"]
other_five = ...  # your diagnoses


# %% tags=["check"]
check("11.2", other_five)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Two of these runs look alike in the groups of one outcome. What tells a verifier that accepts everything from
# problems that do not fit?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# One run of the five answers no to all questions but the last, and one answers yes to the first.
#
# </details>
#
# <details><summary>Solution</summary>
#
# Run 6 stops at question 8, run 7 at 9, run 8 at 5, run 9 at 4, run 10 at 1.
#
# ```python
# other_five = {6: "F", 7: "A", 8: "C", 9: "G", 10: "I"}
# ```
#
# </details>

# %% [markdown]
# ## 4. The tree as a program
#
# What can be said that sharply can be computed. `diagnose` asks the same questions in the same order; a test runs it on
# other seeds.

# %%
found = {number: diagnose(curves) for number, curves in ill.items()}
print(sum(found[number] == letter for number, letter in RUNS.items()), "of", len(RUNS), "runs told their fault")

# %% [markdown]
# ## 5. How well did you know what you knew?
#
# Before the figures of this course you were asked to predict, and to say how sure you were. Of the predictions at 70 %
# about 70 % should be right. The *calibration curve* shows it, confidence against accuracy; the expected calibration
# error (ECE) is the mean distance from the diagonal, by the function that the library offers for a policy's confidence.
# Predictions lie in `predictions.json` in this folder. Where there are none, a made-up reader stands in: always 90 %
# sure, and right 11 times in 18.

# %%
confidence, right = predictions_made()
whose = f"your {len(right)} predictions"
if not len(right):
    confidence, right, whose = torch.full((18,), 0.9, dtype=torch.float64), torch.arange(18) < 11, "a made-up reader"
BINS = 6
error = float(expected_calibration_error(confidence, right, bins=BINS))
print(f"{whose}: sure at {float(confidence.mean()):.0%} on average, right in {float(right.double().mean()):.0%}")
print(f"expected calibration error {error:.2f}; Brier score {float((confidence - right.double()).square().mean()):.2f}")

# %% tags=["hide-input"]
figure, (axes,) = panels(height=3.2)
axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, label="as sure as right")
bins = (confidence * BINS).long().clamp(max=BINS - 1)
for place in bins.unique():
    inside = bins == place
    sure, hit = float(confidence[inside].mean()), float(right[inside].double().mean())
    axes.plot(sure, hit, "o", markersize=4 + 2 * int(inside.sum()) ** 0.5, color=PALETTE["blue"])
    axes.annotate(f"  {int(inside.sum())}", (sure, hit), va="center")
axes.set(xlabel="confidence", ylabel="share that was right", xlim=(0.3, 1.05), ylim=(-0.05, 1.05), title=whose)
axes.legend(loc="upper left")
show(
    figure, "Share of right predictions over confidence; a point below the diagonal was surer than right. With counts."
)

# %% [markdown]
# Below the diagonal you were surer than right, above it less sure. With so few predictions a single point says little:
# compare the two means first, how sure you were and how often right.
#
# ## What this does not show
#
# - Runs with two faults. The order of the questions helps: what concerns the measuring comes first.
# - How large a disagreement of sampler and trainer is tolerable. Here it is zero or a fault; engines for sampling round
#   differently, so a real run has a floor that is not zero. Log it, and learn what yours is.
# - What a fault costs. In this kind world most cost nothing, a rate ten times too high among them.

# %% [markdown]
# ## References
#
# - S. Huang et al., [*The 37 Implementation Details of Proximal Policy
#   Optimization*](https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/), 2022: most faults of this
#   kind are in such details.
# - [Notebook 8](08_break_it.ipynb), for checks that find faults in the code of a loss before a run does.
