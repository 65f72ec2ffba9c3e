"""Statistics of one update, summed over its micro-batches and processes."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from calibrl_ref import Rollouts


class Tally:
    """Sums of one update, so that a metric does not depend on how the update was cut.

    Args:
        terms: Names of the objective's terms.
        device: Where the sums are kept.
    """

    def __init__(self, terms: Iterable[str], device: torch.device) -> None:
        self.terms = tuple(dict.fromkeys(terms))
        names = ("entropy", "tokens", "expert_log_prob", "experts", "sampler_gap", "compared", *self.terms)
        self.sums = {name: torch.zeros((), device=device) for name in names}
        self.largest_gap = torch.zeros(1, device=device)

    def add_rows(self, rollouts: Rollouts) -> None:
        """Count a micro-batch's on-policy entropy (nats per token), its experts' log-probabilities (nats), and the gap.

        Args:
            rollouts: The micro-batch; its gradient is not followed.
        """
        own = rollouts.mask & ~rollouts.is_expert.unsqueeze(1)
        if rollouts.token_entropy is not None:
            self.sums["entropy"] += rollouts.token_entropy.detach()[own].sum()
        self.sums["tokens"] += own.sum()
        self.sums["expert_log_prob"] += rollouts.token_log_prob.detach()[rollouts.is_expert].sum()
        self.sums["experts"] += rollouts.is_expert.sum()
        if rollouts.sampler_token_log_prob is not None:
            self._compare(rollouts.sampler_token_log_prob[own], rollouts.old_token_log_prob[own])

    def _compare(self, sampler: Tensor, policy: Tensor) -> None:
        """Count how far the sampler's log-probabilities are from those of the policy that was to sample, nats."""
        gap = (sampler - policy).abs()
        self.sums["sampler_gap"] += gap.sum()
        self.sums["compared"] += len(gap)
        self.largest_gap = torch.cat([self.largest_gap, gap]).max().unsqueeze(0)

    def add_terms(self, shares: Mapping[str, Tensor]) -> None:
        """Add each term's share of a process's loss."""
        for name, share in shares.items():
            self.sums[name] += share.detach()

    def metrics(
        self, reduce: Callable[[Tensor], Tensor], largest: Callable[[Tensor], Tensor], processes: int
    ) -> dict[str, float]:
        """The update's metrics over all processes.

        Args:
            reduce: Adds a tensor up over the processes.
            largest: The largest of all processes' numbers.
            processes: Their number; a process's loss counts as one of so many that are averaged.

        Returns:
            ``loss/<term>``, and ``entropy`` and ``expert_log_prob`` (mean log-probability of an expert's response)
            where there was something to measure; ``sampler_gap/mean`` and ``sampler_gap/max`` where the engine that
            sampled gave its log-probabilities: how far they are from the policy's, nats a token.
        """
        total = dict(zip(self.sums, reduce(torch.stack(list(self.sums.values()))).tolist(), strict=True))
        found = {f"loss/{name}": total[name] / processes for name in self.terms}
        if total["tokens"]:
            found["entropy"] = total["entropy"] / total["tokens"]
        if total["experts"]:
            found["expert_log_prob"] = total["expert_log_prob"] / total["experts"]
        gap = float(largest(self.largest_gap))
        if total["compared"]:
            found |= {"sampler_gap/mean": total["sampler_gap"] / total["compared"], "sampler_gap/max": gap}
        return found
