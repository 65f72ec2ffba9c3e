"""Batches of random tokens and a policy of two small tables, for tests that need neither TRL nor transformers."""

import torch

from full_scale.training.batching import Batch

VOCABULARY = 7


class Tables(torch.nn.Module):
    """A policy whose next token depends on the last one only."""

    def __init__(self, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.logits = torch.nn.Parameter(torch.randn(VOCABULARY, VOCABULARY, generator=generator, dtype=torch.float64))

    def score(self, rows):
        context = torch.cat([rows.prompt_ids[:, -1:], rows.response_ids[:, :-1]], dim=1)
        log_probs = self.logits[context].log_softmax(dim=-1)
        chosen = log_probs.gather(2, rows.response_ids.unsqueeze(2)).squeeze(2)
        return chosen, -(log_probs.exp() * log_probs).sum(dim=2)


def random_batch(groups=4, group_size=4, *, experts=True, seed=0):
    """Whole groups of random responses, scored by an older policy, by a reference policy and by what sampled."""
    generator = torch.Generator().manual_seed(seed)

    def integers(high, *shape):
        return torch.randint(high, shape, generator=generator)

    count = groups * (group_size + experts)
    group = torch.arange(groups).repeat_interleave(group_size)
    is_expert = torch.zeros(groups * group_size, dtype=torch.bool)
    if experts:
        group = torch.cat([group, torch.arange(groups)])
        is_expert = torch.cat([is_expert, torch.ones(groups, dtype=torch.bool)])
    length = 2 + integers(5, count)
    reward = integers(2, count).double()
    reward[::group_size][:groups], reward[1::group_size][:groups] = 1.0, 0.0  # no group is all equal
    batch = Batch(
        problem=[f"problem {number}" for number in group.tolist()],
        prompt_ids=integers(VOCABULARY, count, 3),
        prompt_mask=torch.ones(count, 3, dtype=torch.long),
        response_ids=integers(VOCABULARY, count, 6),
        response_mask=(torch.arange(6) < length.unsqueeze(1)).long(),
        group=group,
        row_id=torch.arange(count),
        is_expert=is_expert,
        correct=(reward > 0) | is_expert,
        reward=reward,
        advantage=torch.zeros(count, dtype=torch.float64),
    )
    names = ("old_log_prob", "reference_log_prob", "sampler_log_prob")
    scores = {name: Tables(seed).score(batch)[0].detach() for seed, name in enumerate(names, start=1)}
    return Batch(**(vars(batch) | scores))
