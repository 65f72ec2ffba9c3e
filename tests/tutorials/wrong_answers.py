"""Typical wrong answers to the exercises, each with words of the hint that it must get."""

import numpy as np
import torch
from course.bugs import random_batch
from course.checks.t01 import LOGITS
from course.checks.t11 import WHERE
from course.faulty_runs import RUNS

from calibrl_ref import (
    GATES,
    RECIPES,
    Baseline,
    aggregate,
    clipped_surrogate,
    correctness_sign,
    exploration_loss,
    importance_ratio,
    token_entropy,
    trajectory_log_prob,
)
from full_scale.evaluation.intervals import mcnemar_p
from toy.studies.statistics import mean_interval


def of_entropy(scale):
    """A step along the gradient of the entropy."""
    leaf = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(token_entropy(leaf), [leaf])
    return scale * gradient / gradient.norm()


def part_detached(values, share):
    """The values, of whose gradient a share is left."""
    return share * values + (1 - share) * values.detach()


def objective(
    *,
    detach=False,
    count_expert=False,
    weighted=True,
    exploration=True,
    sign=1.0,
    mean_over_rows=False,
    expert_share=1.0,
    own_share=1.0,
):
    """An answer to exercise 5.1 with something wrong."""

    def answer(rollouts, slope, weight):
        own = ~rollouts.is_expert
        ratio = importance_ratio(rollouts.token_log_prob, rollouts.old_token_log_prob)
        per_token = clipped_surrogate(ratio, rollouts.advantage.unsqueeze(1).expand_as(ratio))
        counted = rollouts.mask if count_expert else rollouts.mask & own.unsqueeze(1)
        total = aggregate(per_token, counted, mode="sequence_mean_token_sum")
        response = trajectory_log_prob(rollouts.token_log_prob, rollouts.mask)
        expert = response[rollouts.is_expert].expand(int(own.sum()))
        expert = expert.detach() if detach else part_detached(expert, expert_share)
        each = exploration_loss(
            part_detached(response[own], own_share), expert, rollouts.correct[own], rollouts.advantage[own], slope=slope
        )
        term = each.sum() / len(response) if mean_over_rows else each.mean()
        return total + sign * (weight if weighted else 1.0) * term if exploration else total

    return answer


def lengths(own, own_mean, expert, expert_mean):
    """An answer to exercise 2.3."""
    return lambda: {"own_length": own, "own_mean": own_mean, "expert_length": expert, "expert_mean": expert_mean}


def size_needed(share, at_most=lambda share, wasted: share <= wasted):
    """The smallest group for which a share is small enough."""
    return lambda chance, wasted: next(size for size in range(2, 999) if at_most(share(chance, size), wasted))


def gap(reduce, *, own_mask=True, swapped=False):
    """An answer to exercise 2.2 with something wrong."""

    def answer(own, mask, expert, expert_mask):
        found = reduce(own, mask if own_mask else expert_mask) - reduce(
            expert, mask if own_mask is True else expert_mask
        )
        return -found if swapped else found

    return answer


def each_masked(reduce):
    return lambda own, own_mask, expert, expert_mask: reduce(own, own_mask) - reduce(expert, expert_mask)


def kept(values, mask):
    return values.where(mask, 0.0).sum(1)


def factor(agree, attenuated):
    """An answer to exercise 7.2: whether it pushes with GRPO, and whether the gate attenuates."""
    return lambda correct, advantage, gap: (
        1 + 0.1 * (1 if agree(correct, advantage) else -1) * (0.5 if attenuated(correct, gap) else 1)
    )


def quadrants(pushed_right, pushed_wrong):
    """An answer to exercise 8.2 that expects other pushes."""

    def check(core):
        policy = torch.tensor([-4.0, -1.0, -1.0, -4.0], requires_grad=True)
        expert = torch.full((4,), -2.0)
        correct = torch.tensor([True, True, False, False])
        loss = core.exploration_loss(policy, expert, correct, torch.ones(4)).sum()
        (own,) = torch.autograd.grad(loss, policy)
        torch.testing.assert_close(-own, torch.tensor([*pushed_right, *pushed_wrong]))

    return check


def padding_by(junk):
    """An answer to exercise 8.1 with a padding of its own."""

    def check(core):
        batch = random_batch()
        torch.testing.assert_close(core.loss(junk(batch)), core.loss(batch))

    return check


def early(kink, jump=0.0):
    return lambda x, slope: torch.where(x > kink, x - kink + slope * kink + jump, slope * x)


def former_self(**changes):
    def answer(rollouts):
        fields = {"token_log_prob": rollouts.old_token_log_prob, "mask": rollouts.mask}
        return Baseline(
            **(
                fields
                | {"present": torch.ones_like(rollouts.is_expert)}
                | {name: change(rollouts) for name, change in changes.items()}
            )
        )

    return answer


def judged(low_is_better=True, paired=True, strict=True, at_least=0.0):
    def answer(ours, theirs):
        if paired:
            _, low, high = mean_interval(ours - theirs)
        else:
            low, high = (
                mean_interval(ours)[1] - mean_interval(theirs)[2],
                mean_interval(ours)[2] - mean_interval(theirs)[1],
            )
        if not strict:
            low = high = float((ours - theirs).mean())
        better, worse = ("better", "worse") if low_is_better else ("worse", "better")
        return better if low > 0 else worse if high < -at_least else "undecided"

    return answer


def unpaired(ours, theirs):
    (mean, low, high), (other, other_low, other_high) = mean_interval(ours), mean_interval(theirs)
    return mean - other, low - other_high, high - other_low


WRONG = {
    "0.1": [
        (lambda reward: reward, "they do not add up to 0"),
        (lambda reward: reward - reward.mean(), "a hard question must count as an easy one"),
        (lambda reward: (reward - reward.mean()) / (reward.var() + 1e-6), ("not its square", "right in sign")),
        (lambda reward: (reward - reward.mean()) / (reward.std(correction=0) + 1e-6), "by n - 1, not n"),
        (lambda reward: (reward - reward.mean()) / reward.std(), "must not give 0 / 0"),
        (lambda reward: reward.mean() - reward, "a right answer must get more"),
        (lambda reward: reward - 0.15, "they do not add up to 0"),
        (lambda reward: 0.9 * (reward - reward.mean()) / (reward.std() + 1e-6), "not in size"),
    ],
    "0.2": [
        (lambda ratio, advantage: not 0.8 < ratio < 1.2, "should it not be brought back"),
        (lambda ratio, advantage: ratio > 1.2, "in the direction of its advantage already"),
        (lambda ratio, advantage: (ratio > 1.0) == (advantage > 0), "inside the range nothing is clipped"),
        (lambda ratio, advantage: False, "in the direction of its advantage already"),
    ],
    "1.1": [
        (lambda logits: 0.0 * logits, "changes no probability"),
        (lambda logits: torch.full_like(logits, 0.05), "changes no probability"),
        (lambda logits: of_entropy(-0.1), "you raise the likely ones and lower the unlikely"),
        (lambda logits: of_entropy(0.5), "more than 0.1"),
        (lambda logits: of_entropy(0.03), "is the length used up"),
        (lambda logits: [0.1, 0.0, 0.0, 0.0], "return a tensor"),
        (lambda logits: 0.05 * torch.ones(3), "a tensor of four numbers"),
    ],
    "1.2": [
        (lambda probability, draws: draws * probability, "how often it is drawn on average"),
        (lambda probability, draws: probability**draws, "every draw is this answer"),
        (lambda probability, draws: (1 - probability) ** draws, "chance to miss it each time"),
        (lambda probability, draws: 1 - probability**draws, "chance that all of them miss it"),
    ],
    "1.3": [
        (lambda: torch.tensor([1.0, 0.0, 0.0, 0.0]), "which answer must lose"),
        (lambda: torch.ones(4), "all answers are equally good"),
        (lambda: torch.tensor([-1.0, 1.0, 1.0, 1.0]), "between 0 and 1"),
        (lambda: torch.tensor([0.0, 2.0, 1.0, 1.0]), "between 0 and 1"),
        (lambda: torch.ones(3), "four numbers"),
    ],
    "2.1": [
        (torch.sign, "not 0"),
        (lambda reward: correctness_sign(reward > 0), "right format counts as right"),
        (lambda reward: correctness_sign(reward > 0.1), ("counts it as right", "right format counts as right")),
        (lambda reward: correctness_sign(reward >= 0.1), "right format counts as right"),
        (lambda reward: correctness_sign(reward == 1.0), "is right too"),
        (lambda reward: reward > 0.5, "not 0"),
        (lambda reward: correctness_sign(reward > 1.05), "1 and 1.1 right ones"),
    ],
    "2.2": [
        (gap(kept), "a mask of its own"),
        (gap(kept, own_mask=False), "a mask of its own"),
        (each_masked(lambda values, mask: kept(values, mask) / mask.sum(1)), "sum over the tokens"),
        (lambda own, own_mask, expert, expert_mask: kept(expert, expert_mask) - kept(own, own_mask), "the other way"),
        (each_masked(lambda values, mask: values.sum(1)), "the junk under the masks"),
        (each_masked(lambda values, mask: (values * mask).sum(1)), "0 times infinity is not 0"),
        (lambda own, own_mask, expert, expert_mask: own - expert, "one gap for each row"),
        (each_masked(lambda values, mask: 0.0 * kept(values, mask)), "the sum of a row's own tokens"),
        (each_masked(lambda values, mask: (values * mask).sum(1).nan_to_num(nan=9.0)), "changes the gap"),
    ],
    "2.3": [
        (lengths(10, -1.0, 10, -0.5), "it should be likelier"),
        (lengths(10, -0.5, 40, -0.5), "per token the response"),
        (lengths(10, 1.0, 40, 0.5), "at most 0"),
        (lengths(10, 0.5, 10, 0.9), "at most 0"),
        (lengths(0, -1.0, 40, -0.5), "at least one token"),
    ],
    "3.1": [
        (lambda x, slope: torch.where(x >= 0, x, slope * x), "kink at 0"),
        (GATES["softplus"], "at 0 its value is"),
        (GATES["leaky_relu"], "kink at 0"),
        (lambda x, slope: slope * x, "far above 0 the derivative should be 1"),
        (lambda x, slope: torch.nn.functional.softplus(x) - np.log(2.0), "far below 0"),
    ],
    "3.2": [
        (0.3, "the expert goes the other way"),
        (0.6, "the right response is less likely"),
        (-0.6, "a wrong response counts in full where"),
        (0.0, "without a gate the pushes cancel"),
        (-2.7, "opposite directions"),
        (-0.075, "not a mean"),
        (1.7, "for each response"),
    ],
    "3.3": [
        (1 / 3, "more than a third is left"),
        (0.3333333, "more than a third is left"),
        (0.25, "how many are right"),
        (0.5, "write the sum with alpha in it"),
        (1.0, "write the sum with alpha in it"),
    ],
    "4.1": [
        (size_needed(lambda chance, size: (1 - chance) ** size), "all right is homogeneous too"),
        (size_needed(lambda chance, size: chance**size), "all wrong is homogeneous too"),
        (
            size_needed(lambda c, n: c**n + (1 - c) ** n, lambda share, wasted: share < wasted),
            "would do at a chance of 0.5: at most 0.5 is allowed",
        ),
        (lambda chance, wasted: 64, "would do at a chance"),
        (lambda chance, wasted: 4.0, "whole number"),
        (lambda chance, wasted: 3, "are homogeneous in"),
        (lambda chance, wasted: 1, "at least two"),
    ],
    "4.2": [
        (lambda size: 0.0, "the expert has one"),
        (lambda size: 1.0 / (size + 1), "not above it"),
        (lambda size: -0.3, "it is a reward less the group's mean"),
        (lambda size: -1.0 / size, "it is a mean of"),
        (lambda size: size / (size + 1), "that is the expert's advantage"),
        (lambda size: -1.0, ("it is a mean of", "it is a reward less the group's mean")),
    ],
    "5.1": [
        (objective(detach=True), "is it detached"),
        (objective(count_expert=True), "which rows does each term count"),
        (objective(weighted=False), "is not weighted"),
        (objective(exploration=False), "where is the exploration term"),
        (objective(sign=-1.0), "is a loss: add it"),
        (objective(mean_over_rows=True), "a mean over the three responses"),
        (lambda rollouts, slope, weight: objective()(rollouts, slope, weight**2), "weighted twice"),
        (lambda rollouts, slope, weight: objective()(rollouts, 0.5, weight), "which rows does each term count"),
        (objective(expert_share=0.5), "the gradient into the expert's row is not"),
        (objective(own_share=0.5), "the value is right, the gradient is not"),
        (lambda rollouts, slope, weight: RECIPES["grpo"]()(rollouts).total, ("exploration term", "which rows")),
    ],
    "5.2": [
        (lambda mean, bottom, top: (mean - bottom) / (top - bottom), "a negative share"),
        (lambda mean, bottom, top: max((mean - bottom) / (top - bottom), 0.0), "more than all seeds"),
        (lambda mean, bottom, top: min(max((top - mean) / (top - bottom), 0.0), 1.0), "did not solve it"),
        (lambda mean, bottom, top: mean / top, "how far is the mean from `bottom`"),
    ],
    "6.1": [
        (lambda p, gamma: gamma / (p + gamma) ** 2, "with respect to p; the question is about log p"),
        (lambda p, gamma: p / (p + gamma), "that is the weight itself"),
        (lambda p, gamma: -gamma * p / (p + gamma) ** 2, "the push is positive"),
        (lambda p, gamma: p / (p + gamma) ** 2, "the numerator lacks gamma"),
        (lambda p, gamma: gamma * p / (p + gamma), "quotient rule"),
    ],
    "6.2": [
        (lambda right, rollouts: 1 - right / rollouts, "the mean counts the expert too"),
        (lambda right, rollouts: 1 - right / (rollouts + 1), "is part of the sum"),
        (lambda right, rollouts: (right + 1) / (rollouts + 1), "that is the group's mean"),
        (lambda right, rollouts: (right + 1) / (rollouts + 1) - 1, "above the mean"),
        (lambda right, rollouts: 1.0, "add up all rewards"),
    ],
    "6.3": [
        (unpaired, "subtract seed by seed first"),
        (lambda ours, theirs: mean_interval(theirs - ours), "ours less theirs"),
        (lambda ours, theirs: mean_interval(ours), "your mean difference is"),
        (lambda ours, theirs: (lambda m, low, high: (low, m, high))(*mean_interval(ours - theirs)), "in this order"),
        (lambda ours, theirs: ((ours - theirs).mean(), 0.02, 0.03), "mean_interval of the differences"),
    ],
    "7.1": [
        (lambda a, slope: -(1 - slope) * a.clamp(min=0).sum(), "the sum of the responses' pushes"),
        (lambda a, slope: (1 - slope) * a.abs().sum(), "only the right responses are attenuated"),
        (lambda a, slope: slope * a.clamp(min=0).sum(), ("what do the wrong ones add", "the sum of the responses'")),
        (lambda a, slope: a.clamp(min=0).sum(), "leaves them a slope"),
        (lambda a, slope: (1 + slope) * a.clamp(min=0).sum(), ("opposite directions", "leaves them a slope")),
        (lambda a, slope: 0.0, "is a response attenuated at a positive"),
        (lambda a, slope: (1 - slope**2) * a.clamp(min=0).sum(), "is a response attenuated at a positive"),
    ],
    "7.2": [
        (lambda correct, advantage, gap: 1.0, "always adds or takes something"),
        (factor(lambda correct, a: True, lambda correct, gap: correct == (gap > 0)), "do verdict and advantage agree"),
        (
            factor(lambda correct, a: correct == (a > 0), lambda correct, gap: correct != (gap > 0)),
            "which sign of the gap",
        ),
        (factor(lambda correct, a: correct == (a > 0), lambda correct, gap: False), "which sign of the gap"),
        (factor(lambda correct, a: correct == (a > 0), lambda correct, gap: gap > 0), "which sign of the gap"),
        (lambda correct, advantage, gap: 1.3 if correct == (advantage < 0) else 0.7, "above 1"),
    ],
    "7.3": [(0.1, "as well"), (1.05, "nothing is attenuated"), (1.0, "put g = 1"), (2.0, "put g = 1")],
    "8.1": [
        (lambda core: None, "2 of 2 patients"),
        (padding_by(lambda batch: batch), "2 of 2 patients"),
        (
            lambda core: torch.testing.assert_close(core.loss(random_batch(1)), core.loss(random_batch())),
            "a false alarm",
        ),
    ],
    "8.2": [
        (lambda core: None, "3 of 3 patients"),
        (quadrants([1.0, 0.5], [-1.0, -0.5]), "1 of 3 patients"),
        (quadrants([0.5, 1.0], [-0.5, -1.0]), "a false alarm"),
    ],
    "8.3": [
        ({}, "0 of 10"),
        (dict.fromkeys(range(1, 11), "wrong sign"), "1 of 10"),
        (dict.fromkeys(range(1, 11), "expert is detached"), "no patient has one of these"),
    ],
    "9.1": [
        (lambda reward: (reward.amin(1) == reward.amax(1)).float().sum(), "how many rows hold one value only"),
        (lambda reward: (reward == 0).all(1).float().mean(), "how many rows hold one value only"),
        (lambda reward: (reward.std(1) > 0).float().mean(), "how many rows hold one value only"),
        (lambda reward: ..., "three dots"),
    ],
    "9.2": [
        (lambda advantage, length: torch.tensor(0.0), "a token's surrogate is ratio x A"),
        (lambda advantage, length: (advantage * length).mean(), "a token's surrogate is ratio x A"),
        (lambda advantage, length: -(advantage * length).sum() / length.sum(), "a token's surrogate is ratio x A"),
        (lambda advantage, length: -(advantage * length).sum(), "a token's surrogate is ratio x A"),
    ],
    "9.3": [
        (lambda before, after: mcnemar_p(sum(before), sum(after)), "only changed verdicts count"),
        (
            lambda before, after: mcnemar_p(0, int((np.array(before) != np.array(after)).sum())),
            "only changed verdicts count",
        ),
        (lambda before, after: abs(np.mean(after) - np.mean(before)), "only changed verdicts count"),
    ],
    "10.1": [
        (GATES["leaky_relu"], "the derivatives at"),
        (early(1.0, jump=0.3), "jumps at its kink"),
        (lambda x, slope: early(1.0)(x, slope) + 1.0, "0 at 0"),
        (early(0.4), "the derivatives at"),
    ],
    "10.2": [
        (former_self(present=lambda rollouts: rollouts.is_expert), "present is True everywhere"),
        (former_self(mask=lambda rollouts: torch.ones_like(rollouts.mask)), "the same mask"),
        (former_self(token_log_prob=lambda rollouts: rollouts.token_log_prob.detach()), "take old_token_log_prob"),
        (
            former_self(token_log_prob=lambda rollouts: rollouts.old_token_log_prob.clone().requires_grad_()),
            "no gradient",
        ),
    ],
    "10.3": [
        (judged(low_is_better=False), "are better, not 'worse'"),
        (judged(paired=False), "are better, not 'undecided'"),
        (judged(strict=False), "are undecided, not"),
        (judged(at_least=0.05), "are worse, not 'undecided'"),
        (lambda ours, theirs: "better", "are worse, not 'better'"),
    ],
}
"""Number of the exercise -> pairs of a wrong answer and words of its hint; a tuple where one of several fits."""


def centred(reward):
    return reward - reward.mean()


FIRST = {number: RUNS[number] for number in range(1, 6)}
OTHER = {number: RUNS[number] for number in range(6, 11)}
NAMED = {
    "the reward itself": ("0.1", lambda reward: reward, "do not add up to 0"),
    "wrong way round": ("0.1", lambda reward: -centred(reward) / (reward.std() + 1e-6), "must get more than a wrong"),
    "a number": ("0.1", lambda reward: 1.0, "return a tensor"),
    "a mean": ("0.1", lambda reward: reward.mean(), "one number for each answer"),
    "not divided": ("0.1", centred, "count as an easy one"),
    "variance": ("0.1", lambda reward: centred(reward) / (reward.var() + 1e-6), "not its square"),
    "deviation over n": ("0.1", lambda reward: centred(reward) / (reward.std(correction=0) + 1e-6), "n - 1, not n"),
    "twice": ("0.1", lambda reward: 2 * centred(reward) / (reward.std() + 1e-6), "not in size"),
    "0 / 0": ("0.1", lambda reward: centred(reward) / reward.std(), "must not give 0 / 0"),
    "one for all right": (
        "0.1",
        lambda reward: torch.ones(8) if reward.std() == 0 else centred(reward) / reward.std(),
        "no answer is better",
    ),
    "both sides": ("0.2", lambda ratio, advantage: not 0.8 < ratio < 1.2, "brought back"),
    "wrong side": ("0.2", lambda ratio, advantage: ratio < 0.8 if advantage > 0 else ratio > 1.2, "brought back"),
    "above only": ("0.2", lambda ratio, advantage: ratio > 1.2 and advantage > 0, "direction of its advantage"),
    "below only": ("0.2", lambda ratio, advantage: ratio < 0.8 and advantage < 0, "direction of its advantage"),
    "at once": ("0.2", lambda ratio, advantage: (ratio > 1) == (advantage > 0), "inside the range"),
    "text": ("0.2", lambda ratio, advantage: "yes", "True or False"),
    "a list": ("11.1", list(FIRST.values()), "give a dictionary"),
    "one is missing": ("11.1", {1: "E", 2: "B"}, "no diagnosis of run 3"),
    "a name for a letter": ("11.1", FIRST | {2: "verifier"}, "run 2: 'verifier' is none of the letters"),
    "dropout for temperature": ("11.1", FIRST | {1: "I"}, WHERE["E"]),
    "easy problems for a blind verifier": ("11.1", FIRST | {2: "G"}, WHERE["B"]),
    "padding for a detached expert": ("11.1", FIRST | {3: "D"}, WHERE["H"]),
    "a detached expert for padding": ("11.1", FIRST | {4: "H"}, WHERE["D"]),
    "length for lost tags": ("11.1", FIRST | {5: "F"}, WHERE["J"]),
    "runs of the other exercise": ("11.2", FIRST, "no diagnosis of run 6"),
    "rate for length": ("11.2", OTHER | {6: "A"}, WHERE["F"]),
    "length for rate": ("11.2", OTHER | {7: "F"}, WHERE["A"]),
    "easy problems for the batch's mean": ("11.2", OTHER | {8: "G"}, WHERE["C"]),
    "a blind verifier for easy problems": ("11.2", OTHER | {9: "B"}, WHERE["G"]),
    "temperature for dropout": ("11.2", OTHER | {10: "E"}, WHERE["I"]),
}
for exercise_number, wrong_answer, hint in NAMED.values():
    WRONG.setdefault(exercise_number, []).append((wrong_answer, hint))

RIGHT = {
    "0.1": [lambda reward: centred(reward) / (reward.std() + 1e-5)],
    "2.3": [lengths(1, -1.0, 40, -0.5)],
    "3.1": [lambda x, slope: slope * x + (1 - slope) * (x + (x**2 + 1).sqrt() - 1) / 2],
    "3.3": [0.667],
}
"""Number of the exercise -> right answers that are not the solution's to the last digit."""
