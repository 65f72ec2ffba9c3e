# %% [markdown]
# # A real vision-language model
#
# **The question.** What does a training run of a real vision-language model look like from inside, and how does one
# tell from its logs and answers whether it has learnt anything?
#
# **Afterwards you can** read a group of rollouts as the trainer sees it, explain why the loss in the log is zero while
# the model learns, tell which curves of a log mean something, compare two checkpoints by a paired test, and say why a
# model may stop looking at its pictures.
#
# **Time.** About 4 minutes on two free cores to run, 35 minutes to read. The model is small enough for a laptop:
# Qwen2.5-VL's architecture with 2.2 million parameters. Notebooks 2 and 3 explain CalibRL's objective.

# %%
import json
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import torch
from course import PALETTE, budget, check, look, panels, predict, show, use_style
from rich.console import Console

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, where Jupyter has no widgets
    from transformers.utils import logging as transformers_logging

from calibrl_ref import RECIPES, Rollouts, group_advantage
from full_scale.data.rendered import FIGURES, rendered_problems
from full_scale.data.shortcut import WAYS, shortcut_problems
from full_scale.data.verdicts import judge
from full_scale.evaluate import main as evaluate
from full_scale.evaluation.answer_log import read_results
from full_scale.model.answers import answer_problems
from full_scale.model.checkpoint import TINY_MODEL, load_model
from full_scale.model.decisions import first_decision
from full_scale.model.processor import load_processor
from full_scale.model.shipped import TINY_SHORTCUT_MODEL
from full_scale.problems.ways import BEGIN

use_style()
transformers_logging.disable_progress_bar()
ROOT = Path("..")  # notebooks run in tutorials/
RUNS = budget(full="runs/tutorial_9", reduced="runs/tutorial_9_reduced")
STEPS = budget(full=32, reduced=2)
PROMPTS = budget(full=16, reduced=2)  # in one update
GROUP = 8  # responses to each prompt
TRAINING = budget(full=2000, reduced=16)  # problems
HELD_OUT = budget(full=250, reduced=6)
SAMPLES = budget(full=4, reduced=2)

# %% [markdown]
# ## 1. The problems
#
# Each problem is a picture and a question such as "a=35 b=22 find x". The numbers are in the question, but *what to do
# with them* is in the picture only: angles of a triangle add up to 180 degrees, crossing lines have equal angles, and
# so on. A model that does not look can only guess the rule.

# %%
examples = {kind: rendered_problems(1, seed=2, kinds=[kind])[0] for kind in FIGURES}

# %% tags=["hide-input"]
figure, axes = panels(3, 2, height=2.5)
for place, problem in zip(axes, examples.values(), strict=True):
    place.imshow(problem.rgb_images()[0])
    place.set_title(f"{problem.question}\n{problem.solution}", fontsize=8)
    place.axis("off")
show(figure, "Six kinds of figure: triangle, right angle, circle, crossing lines, parallels, quadrilateral.")

# %% [markdown]
# The line below each question is the *expert's* solution. Here it is exact; for real data it would be the chain of
# thought of a stronger model.

# %% [markdown]
# ## 2. A group of rollouts
#
# For every prompt the policy writes a group of responses, and a verifier reads each: 1 for the right answer in
# `<answer>`, and 0.1 for keeping to the format. What a response is worth is said by its group alone:
#
# <!-- formula: group_advantage -->
# $$A_i = \frac{R_i - \operatorname{mean}(R)}{\operatorname{std}(R) + \varepsilon}$$

# %%
model, processor = load_model(TINY_MODEL), load_processor(TINY_MODEL)
prompts = rendered_problems(max(PROMPTS, 3), seed=3)
responses = answer_problems(model, processor, prompts, samples=GROUP, max_new_tokens=48, seed=0)
verdicts = [[judge(given.text, problem) for given in group] for problem, group in zip(prompts, responses, strict=True)]
reward = torch.tensor([[verdict.correct + 0.1 * verdict.well_formed for verdict in group] for group in verdicts])
group = torch.arange(len(prompts)).repeat_interleave(GROUP)
advantage = group_advantage(reward.flatten(), group).reshape(-1, GROUP)

shown = [0, 1, 2]

# %% tags=["hide-input"]
figure, axes = panels(3, height=2.4)
for place, row in zip(axes, shown, strict=True):
    place.imshow(prompts[row].rgb_images()[0])
    place.set_title(f"{prompts[row].question}\nright answer: {prompts[row].answer}", fontsize=9)
    place.axis("off")
show(figure, "The pictures of three prompts.")
for row in shown:
    print(f"{prompts[row].question}   (right answer {prompts[row].answer})")
    for given, points, weight in zip(responses[row], reward[row], advantage[row], strict=True):
        print(f"  reward {points:.1f}  advantage {weight:+.2f}  {given.text}")

# %% [markdown]
# The text before `:` is what the model believes to see. Most errors are slips in the arithmetic. Two kinds deserve a
# closer look, over all groups: a *right* answer whose arithmetic is wrong, and a wrong *figure*.


# %%
def holds(text: str) -> bool:
    """Return whether all sides of a response's chain of equations have one value, as in 180-16-49=164-49=115."""
    chain = re.search(r"<think>\w+: *([^<]*)</think>", text)
    sides = chain[1].split("=") if chain else [""]
    readable = all(re.fullmatch(r"\d+([-+]\d+)*", side) for side in sides)
    return readable and len({sum(map(int, re.findall(r"[-+]?\d+", side))) for side in sides}) == 1


written = [
    (problem, given.text, verdict)
    for problem, answers, judged in zip(prompts, responses, verdicts, strict=True)
    for given, verdict in zip(answers, judged, strict=True)
]
right = [(problem, text) for problem, text, verdict in written if verdict.correct]
lucky = [(problem, text) for problem, text in right if not holds(text)]
print(f"{len(lucky)} of {len(right)} right answers come from arithmetic that does not hold:")
for problem, text in lucky:
    print(f"  {problem.question}   {text}")
misread = [
    (problem, text) for problem, text, _ in written if not text.startswith(f"<think>{problem.category}") and ":" in text
]
print(f"{len(misread)} of {len(written)} responses begin with another figure than the picture's:")
for problem, text in misread:
    print(f"  {problem.question}, a picture of the kind {problem.category!r}: {text}")

# %% [markdown]
# `360-14-56=340-56=294` earns the full 1.1: the answer is right, the way there is not. The model knows the *form* of a
# derivation, and it seems to get many results from question and figure at once, whatever it has just written. **A
# verifier of answers pays for answers**; what is written before them is trained only as far as it helps. A wrong figure
# is rare here, and then everything that follows is right for the wrong picture.

# %% [markdown]
# ### Exercise 9.1
# *Easy, 5 minutes.*
# A group in which all rewards are equal has advantages of zero: it costs as much as any other and teaches nothing.
# Write the share of such *idle* groups, for rewards of the shape `[prompts, samples]`.


# %% tags=["exercise"]
def idle_share(reward: torch.Tensor) -> float:
    """Return the share of groups, rows of ``reward``, whose advantages are all zero."""
    return ...  # your code


# %% tags=["check"]
check("9.1", idle_share)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# When are all advantages of a group zero?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Smallest and largest reward of a row, compared; then a mean over the rows.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def idle_share(reward: torch.Tensor) -> float:
#     """A group is idle where its smallest reward is its largest."""
#     return float((reward.amin(dim=1) == reward.amax(dim=1)).float().mean())
# ```
#
# </details>

# %%
idle = (advantage == 0).all(dim=1)
print(f"{int(idle.sum())} of {len(idle)} groups are idle")

# %% [markdown]
# Logs call this `frac_reward_zero_std`. DAPO samples again until no group is idle (`--method dapo`).

# %% [markdown]
# ## 3. The loss at the first step
#
# The first line of a log is from before any update. Let us compute its loss for the groups above.


# %% [markdown]
# **Predict, then look.** The first line of a GRPO log, before any update: what is the loss?
#
# - (a) 0
# - (b) positive: the policy is not yet good
# - (c) negative: the rewards are positive

# %%
predict("9a", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)


# %%
def as_rollouts(log_prob: torch.Tensor) -> Rollouts:
    """Return the responses above before an update: the old log-probabilities are the current ones."""
    length = torch.tensor([given.length for answers in responses for given in answers])
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob.detach(),
        mask=torch.arange(log_prob.shape[1]) < length[:, None],
        group=group,
        is_expert=torch.zeros(len(group), dtype=torch.bool),
        correct=torch.tensor([verdict.correct for answers in verdicts for verdict in answers]),
        advantage=advantage.flatten(),
    )


for aggregation in ("sequence_mean_token_mean", "sequence_mean_token_sum"):
    log_prob = torch.zeros(len(group), 48, requires_grad=True)  # their values do not matter, only that ratio is 1
    loss = RECIPES["grpo"](aggregation=aggregation)(as_rollouts(log_prob)).total
    loss.backward()
    print(f"{aggregation:26s} loss {float(loss.detach()):+.6f}   gradient's norm {float(log_prob.grad.norm()):.4f}")

# %%
look("9a")

# %% [markdown]
# - With GRPO's own aggregation the loss is zero, and people stop a run for that. It is right: while the policy has not
#   been updated since it sampled, the ratio $r_t = \pi_\theta / \pi_{old}$ is exactly 1, so a token's surrogate is
#   $r_t A = A$. A response's mean over its tokens is $A$ again, and a group's advantages add up to zero. The gradient
#   is not zero: it pushes right responses up and wrong ones down. **The value of the loss says nothing about learning;
#   its gradient does all the work.**
# - The paper's CalibRL sums over the tokens of a response. Then a response counts by its length, and the first loss is
#   whatever length and advantage have in common. It is not zero, and means as little.
#
# The same in a real log: three updates of GRPO by the command that you would type.


# %%
def command(*arguments: str) -> list[str]:
    """Run a Python program of this repository and return the lines that it prints."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.splitlines()


def train(method: str, steps: int) -> list[dict[str, float]]:
    """Train the tiny model and return its log, one record for each update."""
    out = f"{RUNS}/{method}"
    flags = {"steps": steps, "limit": TRAINING, "prompts-per-step": PROMPTS, "micro-batch-rows": PROMPTS * GROUP}
    options = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    options += ["--evaluate-problems", "0", "--out", out, "--overwrite"]
    command("full_scale/train.py", "--method", method, *options)
    return [json.loads(line) for line in (ROOT / out / "metrics.jsonl").read_text().splitlines()]


for record in train("grpo", budget(full=3, reduced=1)):
    columns = ("loss", "grad_norm", "reward", "accuracy", "entropy", "frac_reward_zero_std")
    print(f"step {record['step']}  ", "  ".join(f"{name} {abs(record[name]):.3f}" for name in columns))

# %% [markdown]
# Zero at *every* step, as there is one update for each batch of rollouts: at each update the ratio starts at 1 anew. A
# loss that leaves zero under GRPO tells of several updates for a batch, of a KL penalty, or of a policy that samples
# from other weights than it is scored with.

# %% [markdown]
# ### Exercise 9.2
# *Medium, 10 minutes.*
# Write the surrogate's loss before the first update of a batch where tokens are *summed* over a response and responses
# are averaged, from the advantage and the length (tokens) of each response.


# %% tags=["exercise"]
def first_loss(advantage: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Return the loss of one batch whose ratios are all 1."""
    return ...  # your code


# %% tags=["check"]
check("9.2", first_loss)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# At ratio 1 each token's surrogate is the advantage of its response, and a loss has the other sign.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# How often does a response's advantage occur in the sum over its tokens? Then average over the responses.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def first_loss(advantage: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
#     """Every token of a response adds its advantage."""
#     return -(advantage * length).mean()
# ```
#
# </details>

# %% [markdown]
# ## 4. Training with CalibRL
#
# Now a shorter form of the default run: CalibRL as the paper states it, one update for 16 prompts x 8 responses, each
# group with its expert's solution as the point of reference. The log has these columns:

# %%
log = train("calibrl", STEPS)
print(textwrap.fill(", ".join(log[-1]), 100))

# %% [markdown]
# ## 5. Reading the log

# %%
steps = [record["step"] for record in log]
views = {
    "accuracy": "accuracy of the rollouts",
    "entropy": "entropy (nats per token)",
    "loss/exploration": "CalibRL's exploration term",
    "grad_norm": "norm of the gradient",
}

# %% tags=["hide-input"]
figure, axes = panels(2, 2, height=2.4, sharex=True)
width = min(8, len(log))
for place, (name, label) in zip(axes, views.items(), strict=True):
    values = np.array([record[name] for record in log])
    place.plot(steps, values, ".", color=PALETTE["sky"], markersize=5)
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    place.plot(steps[width - 1 :], smooth, color=PALETTE["blue"], label=f"mean of the last {width}")
    place.set_ylabel(label)
for place in axes[2:]:
    place.set_xlabel("update")
axes[0].legend(fontsize=8)
show(figure, "Four curves over the updates: accuracy of rollouts, entropy, exploration term and gradient norm.")
early, late = (np.mean([record["accuracy"] for record in part]) for part in (log[:width], log[-width:]))
print(f"rollouts: accuracy {early:.3f} over the first {width} updates, {late:.3f} over the last {width}")

# %% [markdown]
# How to read them:
#
# - **accuracy** of the rollouts scatters by 10 points from update to update, since each one has other problems. Only
#   averages over many updates mean anything, and only held-out problems settle it.
# - **entropy** is what this course is about. It is taken over the policy's own responses; the expert's rows do not
#   count. Here it falls by a few per cent: no collapse, in a run that is too short for one.
# - the **exploration term** is a loss and may be of any size and sign: it is zero where response and expert are equally
#   likely. With the paper's sum over tokens, `loss` itself is not zero either (exercise 9.2).
# - **the gradient's norm** is cut at 1 before the update. It is above 10 in every update here, while GRPO's log above
#   shows less than 1: CalibRL sums over a response's tokens where GRPO averages. So each of its updates is cut to the
#   same length. Compare methods at equal learning rates only if you have looked at this curve.

# %% [markdown]
# ## 6. Did it learn? Held-out problems, with intervals
#
# The same problems for both models, none of which was trained on: greedy answers, and samples at temperature 1. And
# once more with white pictures: an accuracy that survives this was not won by looking.

# %% [markdown]
# **Predict, then look.** After training about 57 % of the greedy answers are right. How many are with white pictures?
# The numbers are in the question.
#
# - (a) as many: it has learnt to calculate
# - (b) about 40 %
# - (c) less than 25 %

# %%
predict("9b", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %%
quiet = Console(quiet=True)


def measure(name: str, model: str, *flags: str) -> dict:
    """Evaluate a checkpoint on held-out rendered problems."""
    shape = ["--limit", str(HELD_OUT), "--samples", str(SAMPLES), "--pass-at", str(SAMPLES)]
    out = str(ROOT / RUNS / name)
    return evaluate(["--model", model, *shape, "--out", out, "--overwrite", *flags], console=quiet)


trained = str(ROOT / RUNS / "calibrl")
results = {
    "before": measure("before", "tiny"),
    "after": measure("after", trained),
    "after, pictures blanked": measure("blank", trained, "--blank-pictures"),
}

# %%
points = {"greedy": ("greedy", "accuracy"), "sampled": ("sampled", "accuracy"), "entropy": ("sampled", "entropy")}

# %% tags=["hide-input"]
figure, (axes, right) = panels(2, height=3.0, width_ratios=(2, 1))
for place, (name, result) in enumerate(results.items()):
    colour = PALETTE[("black", "blue", "orange")[place]]
    summary = result["figures"]["rendered"]
    for tick, (label, (kind, metric)) in enumerate(points.items()):
        found = summary[kind][metric]
        target = right if label == "entropy" else axes
        error = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
        x = (0 if label == "entropy" else tick) + 0.2 * (place - 1)
        target.errorbar(x, found["value"], error, fmt="o", color=colour, capsize=3, label=name)
        print(f"{name:24s} {label:8s} {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]")
axes.set(xticks=(0, 1), xticklabels=("greedy", "sampled"), ylabel="accuracy, held-out", ylim=(0, 1), xlim=(-0.6, 1.6))
right.set(xticks=(0,), xticklabels=("sampled",), ylabel="entropy (nats per token)", xlim=(-0.6, 0.6))
handles, labels = axes.get_legend_handles_labels()
axes.legend(handles[::2], labels[::2], fontsize=8, loc="upper right")
show(figure, "Accuracy and entropy before training, after it, and after it with blanked pictures, with 95 % intervals.")

# %%
look("9b")

# %% [markdown]
# The greedy intervals of before and after overlap. That does **not** say that the models are alike: both answered the
# *same* problems, and most of the spread is between problems, not between models. A paired test looks at the problems
# on which they differ.

# %%
compared = evaluate(["--compare", str(ROOT / RUNS / "before"), str(ROOT / RUNS / "after")], console=quiet)
figures = compared["benchmarks"]["rendered"]["correct"]
for kind, figure_of in figures.items():
    change = figure_of["difference"]
    print(f"{kind}: {change['value']:+.3f} [{change['low']:+.3f}, {change['high']:+.3f}]")
greedy = figures["greedy"]
print(
    f"greedy answers: right before only {greedy['only_a']}, right after only {greedy['only_b']}, p = {greedy['p']:.2g}"
)

# %% [markdown]
# The model has got better, from 0.309 to 0.406 where it samples and from 0.496 to 0.572 where it is greedy, and it
# became a little surer (its entropy fell). Without pictures little is left: what it does, it does by looking.

# %% [markdown]
# ### Exercise 9.3
# *Medium, 10 minutes.*
# From the verdicts on the same problems before and after a training, compute the p-value of McNemar's exact test.
# `mcnemar_p` (from `full_scale.evaluation.intervals`) takes two counts; which?


# %% tags=["exercise"]
def paired_p(before: list[bool], after: list[bool]) -> float:
    """Return the p-value of: is either model right where the other is wrong more often than by chance?"""
    return ...  # your code


# %% tags=["check"]
check("9.3", paired_p)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A problem that both answer alike says nothing about which is better.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Count in each direction: right before and wrong after, wrong before and right after.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# from full_scale.evaluation.intervals import mcnemar_p
#
#
# def paired_p(before: list[bool], after: list[bool]) -> float:
#     """Count the problems that changed, in each direction."""
#     lost = sum(old and not new for old, new in zip(before, after, strict=True))
#     won = sum(new and not old for old, new in zip(before, after, strict=True))
#     return mcnemar_p(lost, won)
# ```
#
# </details>

# %% [markdown]
# ## 7. Look at the answers
#
# Figures hide what a model does. Each evaluation has written a page with all problems, pictures, answers and verdicts,
# to filter and search: `answers.html` in its folder. Some of the problems whose greedy answer has changed:

# %%
held_out = {problem.id: problem for problem in rendered_problems(HELD_OUT, seed=0, split="test")}
greedy_of = {
    name: {record.id: record for record in read_results(ROOT / RUNS / name)[1]["rendered"].greedy}
    for name in ("before", "after")
}
verdict_of = {name: {key: record.verdict.correct for key, record in given.items()} for name, given in greedy_of.items()}
changed = [key for key in held_out if verdict_of["before"][key] != verdict_of["after"][key]][:4]
for key in changed:
    print(f"{held_out[key].category}, {held_out[key].question}, right answer {held_out[key].answer}")
    for name in ("before", "after"):
        print(f"  {name:6s} {'right' if verdict_of[name][key] else 'wrong'}  {greedy_of[name][key].answer.text}")

# %% [markdown]
# ## 8. A shortcut: a real model stops looking
#
# Notebook 1 showed a policy of a toy that collapses onto a shortcut, and notebook 5 what an expert changes. Here a real
# vision-language model stands in the same place. Six of ten pictures show a triangle. The words that open a thought
# say which way it takes: *look* names the figure in the picture and computes; *guess triangle* computes as for a
# triangle, whatever is shown; *skip* answers at once.

# %%
shortcut_model, shortcut_processor = load_model(TINY_SHORTCUT_MODEL), load_processor(TINY_SHORTCUT_MODEL)
pictures = shortcut_problems(60, seed=1, split="test")
seen = {kind: next(one for one in pictures if one.category == kind) for kind in ("triangle", "circle", "crossing")}
decision = first_decision(shortcut_model, shortcut_processor, [*seen.values()], WAYS)
begun = {
    way: answer_problems(
        shortcut_model, shortcut_processor, [*seen.values()], greedy=True, max_new_tokens=40, begin=f"{BEGIN}{way}"
    )
    for way in WAYS.names
}

# %% tags=["hide-input"]
figure, axes = panels(3, height=2.4)
for place, problem in zip(axes, seen.values(), strict=True):
    place.imshow(problem.rgb_images()[0])
    place.set_title(f"{problem.question}\nright answer: {problem.answer}", fontsize=9)
    place.axis("off")
show(figure, "A triangle, on which a guess is right, and two pictures on which it is wrong.")
for row, (kind, problem) in enumerate(seen.items()):
    print(f"a {kind}, {problem.question} (right answer {problem.answer})")
    for way in WAYS.names:
        [answer] = begun[way][row]
        verdict = "right" if judge(answer.text, problem).correct else "wrong"
        print(f"  probability {decision.shares[way][row]:.3f}  {verdict}  {answer.text}")

# %% [markdown]
# Before training the model opens alike whatever it is shown, and nearly never looks. What the ways are worth was
# measured on 500 other problems:

# %%
RESULTS = ROOT / "results" / "vlm_shortcut"
worth = json.loads((RESULTS / "checkpoint.json").read_text())
for way in WAYS.names:
    print(f"{way:15s} taken in {worth[way]['probability']:.3f}, then right in {worth[way]['right']['value']:.3f}")

# %% [markdown]
# **Predict, then look.** Looking is right far more often than guessing. GRPO trains this model for 100 updates of
# 8 prompts x 8 responses. How often does it look afterwards?
#
# - (a) nearly always: it pays more
# - (b) more often than before, and still rarely
# - (c) less often than before

# %%
predict("9c", choice=..., confidence=...)  # "a", "b" or "c"; from 0.33 (a guess) to 1 (certain)

# %% [markdown]
# These runs take minutes each, so their curves are read from `results/vlm_shortcut`, where each stands with its
# command: `python full_scale/train.py --preset tiny-shortcut --method grpo --seed 0` is the first.

# %%
runs = json.loads((RESULTS / "first.json").read_text())["runs"]
cells = list(dict.fromkeys(run["cell"] for run in runs))
shown_curves = {"sound_probability": "probability of looking", "decision_entropy": "entropy of the first word (nats)"}

# %% tags=["hide-input"]
figure, axes = panels(2, height=2.8)
for cell, colour in zip(cells, ("black", "sky", "blue", "orange"), strict=True):
    for place, (metric, label) in zip(axes, shown_curves.items(), strict=True):
        courses = np.array([run["course"][metric] for run in runs if run["cell"] == cell], dtype=float)
        place.plot(courses.T, color=PALETTE[colour], linewidth=0.5, alpha=0.4)
        place.plot(np.ma.masked_invalid(courses).mean(axis=0).filled(np.nan), color=PALETTE[colour], label=cell)
        place.set(xlabel="update", ylabel=label)
axes[0].legend(fontsize=8)
show(figure, "Looking, and the entropy of the first word, while four methods train: seeds faintly, their mean bold.")

# %%
controls = json.loads((RESULTS / "controls.json").read_text())
print(f"before: looks in {np.mean([run['before']['sound_share'] for run in runs]):.3f} of the sampled answers")
for run_cells in (runs, controls["runs"]):
    for cell in dict.fromkeys(run["cell"] for run in run_cells):
        after = [run["after"] for run in run_cells if run["cell"] == cell]
        look_share, right_greedy = (
            np.mean([one[name] for one in after]) for name in ("sound_share", "greedy_accuracy")
        )
        print(f"{cell:26s} {len(after)} seeds: looks in {look_share:.3f}, greedy accuracy {right_greedy:.3f}")

# %%
look("9c")

# %% [markdown]
# - **GRPO stops looking.** A group of eight holds a look in about one of six groups, while a guess is rewarded in most
#   groups with a triangle: guessing grows first, and then no group holds a look any more. Its greedy accuracy is what a
#   guess is worth.
# - **CalibRL with the paper's weight of 0.1 ends where GRPO ends**; with ten times that weight the model comes to look
#   where guessing fails, and is still at it after 100 updates.
# - **Short imitation, then GRPO** looks in three of four answers. This expert can be executed: notebook 6 shows when
#   that is, and when it is not.
# - **The controls say what does it.** Without a gradient into the expert the effect is gone. With the experts of
#   *other* problems it is there in two seeds of three: they look, too, and that is what this model has to learn.
#
# All methods, seeds and intervals: [the findings](../docs/shortcut_findings.md).

# %% [markdown]
# ## What this does not show
#
# - Sections 4 to 7 are one seed, 32 updates, one method, and compare CalibRL with nothing. Section 8 compares, in a
#   world that was built for it.
# - The intervals are over problems. They say nothing about how another seed of the *training* would have ended.
# - A model of two million parameters on six kinds of drawing; what a 7-billion-parameter model does on real geometry
#   was not measured here.
# - The verifier is exact here. On real data its errors are part of the reward; the evaluation therefore shows the
#   benchmark's official scoring next to the reward, and where they differ.

# %% [markdown]
# ## References
#
# - *CalibRL: Controllable Exploration in Hybrid-Policy RLVR for Multi-Modal Reasoning*, arXiv:2602.20197.
# - Z. Shao et al., *DeepSeekMath*, arXiv:2402.03300: GRPO. L. von Werra et al.,
#   [*TRL*](https://github.com/huggingface/trl): the trainer that `full_scale/training/trainer.py` builds on.
# - S. Bai et al., *Qwen2.5-VL Technical Report*, arXiv:2502.13923: the architecture.
# - M. Chen et al., *Evaluating Large Language Models Trained on Code*, arXiv:2107.03374: pass@k.
# - Q. McNemar, [*Note on the sampling error of the difference between correlated proportions or
#   percentages*](https://doi.org/10.1007/BF02295996), 1947.
#
# Next: [10 Build your own](10_build_your_own.ipynb)
