"""One update of the policy, cut into micro-batches: loss, gradient and metrics do not depend on the cut.

There are two exact ways to take an update's gradient. Where each micro-batch holds all rows that the objective
compares with each other, its loss is its share of the update's, with the divisors of the whole update. Elsewhere (a
group is split as memory is short, or a term compares rows of several groups) the chain rule helps: an objective is a
function of the log-probabilities and entropies of the update's rows, so its gradient is
``sum over tokens of (d total / d log pi) * grad log pi``, and the same with the entropies. These coefficients need no
model: they are taken on the numbers of one forward pass without gradient, and the backward pass can be cut anywhere.

Nothing here knows the trainer. An update needs to be told how to score rows; several processes are accelerate's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch
from accelerate import PartialState
from accelerate.utils import gather, reduce
from torch import Tensor

from calibrl_ref import Objective, Rollouts, linearise
from full_scale.training.batching import Batch, chunks, gather_rollouts, group_members, join_rollouts
from full_scale.training.tally import Tally

Score: TypeAlias = Callable[[Batch], tuple[Tensor, Tensor]]
"""Gives the log-probability and entropy of each response token, [rows, time] each, in nats."""


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """The rows of one forward and backward pass.

    Attributes:
        rows: At least one.
        idle: None of them counts. A process that has no row left calls the model like the others all the same.
        derivatives: Of the update's loss in each token's log-probability and entropy, [rows, time] each; None where
            groups are whole.
        share: What it adds to the reported loss where groups are split.
    """

    rows: Batch
    idle: bool = False
    derivatives: tuple[Tensor, Tensor] | None = None
    share: float = 0.0


class Update:
    """The objective on one update's rows of all processes.

    Args:
        objective: What is minimised.
        micro_batches: This process's part; every process has as many.
        whole_groups: Whether each micro-batch holds all rows that the objective compares with each other.
        peek: Scores rows without gradient; called for every micro-batch, and only where groups are split.
    """

    def __init__(
        self, objective: Objective, micro_batches: Sequence[MicroBatch], *, whole_groups: bool, peek: Score
    ) -> None:
        self.objective = objective
        self.micro_batches = tuple(micro_batches)
        self._tally = Tally((term.name for term in objective.terms), micro_batches[0].rows.group.device)
        self._processes: int = PartialState().num_processes
        self._divisors: tuple[Tensor, ...] | None = None
        if whole_groups:
            self._set_divisors()
        else:
            self._set_coefficients(peek)

    def loss(self, part: MicroBatch, score: Score, *, score_fixed: Score | None = None) -> Tensor:
        """A micro-batch's share of the loss; its gradient is its share of the gradient.

        Args:
            part: One of ``micro_batches``.
            score: Scores rows with gradient.
            score_fixed: Scores rows without gradient in this process alone, so that experts whose row the objective
                does not move are spared a backward pass; None where processes must call the model in step.

        Returns:
            A scalar. A number that is not finite makes it NaN, and with it every gradient of the update.
        """
        if part.idle:
            loss = score(part.rows)[0].sum() * 0.0 + part.share
        elif part.derivatives is not None:
            loss = self._linear_loss(part, part.derivatives, score)
        else:
            loss = self._group_loss(part.rows, score, score_fixed)
        return loss if loss.isfinite() else loss * math.nan

    def metrics(self) -> dict[str, float]:
        """Metrics over all micro-batches and processes; see :meth:`Tally.metrics`. All processes must call it."""
        total, largest = partial(reduce, reduction="sum"), lambda value: gather(value).max()
        return self._tally.metrics(total, largest, self._processes)

    def _set_divisors(self) -> None:
        """Those of all processes' rows, per process, as gradients are averaged over processes."""
        everyone = gather_rollouts([_unscored(part.rows) for part in self.micro_batches if not part.idle]) or []
        parts = [part for process in everyone for part in process]
        if parts:
            self._divisors = self.objective.divisors(join_rollouts(parts)).divided(self._processes)

    def _set_coefficients(self, peek: Score) -> None:
        scores = []
        for part in self.micro_batches:  # the idle ones too: processes must call the model equally often
            with torch.no_grad():
                scores.append(peek(part.rows))
        filled = [(part.rows, score) for part, score in zip(self.micro_batches, scores, strict=True) if not part.idle]
        finite = all(rows.is_finite(*score) for rows, score in filled)
        everyone = gather_rollouts([rows.rollouts(*score) for rows, score in filled] if finite else None)
        if everyone is None:
            self.micro_batches = tuple(_spoilt(part) for part in self.micro_batches)
        elif any(everyone):
            self._deal_out(everyone)

    def _deal_out(self, everyone: list[list[Rollouts]]) -> None:
        """Give each micro-batch its rows' coefficients, and an equal share of the update's loss to report."""
        found = linearise(self.objective, join_rollouts([part for process in everyone for part in process]))
        self._tally.add_terms(found.terms)
        row = sum(len(part.group) for process in everyone[: PartialState().process_index] for part in process)
        share, dealt = float(found.total) / len(self.micro_batches), []
        for part in self.micro_batches:
            derivatives = (
                None if part.idle else (self._own(part, found.by_log_prob, row), self._own(part, found.by_entropy, row))
            )
            row += 0 if part.idle else len(part.rows)
            dealt.append(replace(part, derivatives=derivatives, share=share))
        self.micro_batches = tuple(dealt)

    def _own(self, part: MicroBatch, values: Tensor, first: int) -> Tensor:
        """A micro-batch's part of all rows' values, for gradients that are averaged over processes."""
        own = values[first : first + len(part.rows), : part.rows.response_mask.shape[1]] * float(self._processes)
        return own.to(part.rows.group.device)

    def _group_loss(self, rows: Batch, score: Score, score_fixed: Score | None) -> Tensor:
        scores = self._scores(rows, score, score_fixed)
        if not rows.is_finite(*scores):
            return _nan(scores)
        rollouts = rows.rollouts(*scores)
        losses = self.objective(rollouts, divisors=self._divisors)
        self._tally.add_rows(rollouts)
        self._tally.add_terms(losses.terms)
        return losses.total

    def _linear_loss(self, part: MicroBatch, derivatives: tuple[Tensor, Tensor], score: Score) -> Tensor:
        scores = score(part.rows)
        if not part.rows.is_finite(*scores):
            return _nan(scores)
        by_log_prob, by_entropy = derivatives
        linear = by_log_prob * scores[0] + by_entropy * scores[1]
        loss = linear.where(part.rows.response_mask.bool(), 0.0).sum()
        self._tally.add_rows(part.rows.rollouts(*scores))
        return loss - loss.detach() + part.share

    def _scores(self, rows: Batch, score: Score, score_fixed: Score | None) -> tuple[Tensor, Tensor]:
        """As ``score``, but without a backward pass through experts that the objective does not move."""
        if score_fixed is None or not rows.is_expert.any() or self.objective.moves_expert:
            return score(rows)
        own, fixed = (~rows.is_expert).nonzero().flatten(), rows.is_expert.nonzero().flatten()
        scores = score(rows.take(own.tolist()))
        with torch.no_grad():
            fixed_scores = score_fixed(rows.take(fixed.tolist()))
        place = torch.cat([own, fixed]).argsort()
        log_prob, entropy = (torch.cat(pair)[place] for pair in zip(scores, fixed_scores, strict=True))
        return log_prob, entropy


def _unscored(rows: Batch) -> Rollouts:
    """Rows as far as divisors look at them: masks and kinds."""
    zeros = torch.zeros(rows.response_mask.shape, device=rows.group.device)
    advantage = torch.zeros_like(rows.advantage)
    bare = replace(rows, old_log_prob=None, reference_log_prob=None, sampler_log_prob=None, advantage=advantage)
    return bare.rollouts(zeros, zeros)


def _spoilt(part: MicroBatch) -> MicroBatch:
    nan = torch.full(part.rows.response_mask.shape, math.nan, device=part.rows.group.device)
    return replace(part, derivatives=(nan, nan), share=math.nan)


def _nan(scores: tuple[Tensor, Tensor]) -> Tensor:
    """A loss whose gradient is NaN in every weight that the scores depend on."""
    return (scores[0].sum() + scores[1].sum()) * math.nan


def cut(
    batch: Batch, order: Sequence[int], *, updates: int, parts: int, whole_groups: bool, spare: Batch
) -> list[MicroBatch]:
    """The micro-batches of a sampling: first into updates of whole groups, then each update into parts.

    Args:
        batch: Whole groups, or what the objective left of them.
        order: Group ids, the first update's first; those without a row are passed over.
        updates: How many updates the batch is for.
        parts: Micro-batches of an update.
        whole_groups: Whether a micro-batch holds whole groups, or groups may be split.
        spare: A row for micro-batches that get none.

    Returns:
        ``updates * parts`` micro-batches.
    """
    found = []
    for groups in chunks(group_members(batch.group, order), updates):
        units = groups if whole_groups else [[row] for group in groups for row in group]
        for part in chunks(units, parts):
            rows = [row for unit in part for row in unit]
            found.append(MicroBatch(rows=batch.take(rows)) if rows else MicroBatch(rows=spare, idle=True))
    return found
