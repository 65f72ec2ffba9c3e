"""CalibRL in a training loop of your own: ``python examples/own_loop.py`` (seconds, on a CPU).

A small network learns to say two digits backwards. The verifier knows the right response, and so does an expert. A
group is eight sampled responses to one prompt and the expert's. Only ``rollouts`` and ``add_gradient`` are about
CalibRL; the rest is any PyTorch loop.
"""

import torch
from torch import Tensor, nn

from calibrl_ref import RECIPES, Rollouts, token_log_probs

SAMPLES, LENGTH = 8, 2
OBJECTIVE = RECIPES["calibrl"](slope=0.5, exploration_weight=0.1)


class Policy(nn.Module):
    """A recurrent network: scores of the next digit at each position of the response, ``[rows, time, 10]``."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body, self.head = nn.Embedding(10, 64), nn.GRU(64, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, prompt: Tensor, response: Tensor) -> Tensor:
        """Read the prompt, then the response but its last token."""
        hidden, _ = self.body(self.embed(torch.cat([prompt, response[:, :-1]], dim=1)))
        return self.head(hidden[:, prompt.shape[1] - 1 :])  # type: ignore[no-any-return]  # nn.Linear is untyped


def solve(prompt: Tensor) -> Tensor:
    """The expert's response, which is also what the verifier accepts."""
    return prompt.flip(1)


@torch.no_grad()
def sample(policy: Policy, prompt: Tensor) -> Tensor:
    """One response to each prompt; the last row of every group is the expert's instead."""
    response = torch.zeros(len(prompt), LENGTH, dtype=torch.long)
    for place in range(LENGTH):
        response[:, place] = torch.multinomial(policy(prompt, response)[:, place].softmax(-1), 1)[:, 0]
    response[SAMPLES :: SAMPLES + 1] = solve(prompt)[SAMPLES :: SAMPLES + 1]
    return response


def rollouts(policy: Policy, prompt: Tensor, response: Tensor) -> Rollouts:
    """What the objective reads: scores, verdicts, groups. The old policy is this one: one update a batch."""
    rows = torch.arange(len(prompt))
    group, is_expert = rows // (SAMPLES + 1), rows % (SAMPLES + 1) == SAMPLES
    correct = (response == solve(prompt)).all(1)
    log_prob = token_log_probs(policy(prompt, response), response)
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob.detach(),
        mask=torch.ones_like(response, dtype=torch.bool),
        group=group,
        is_expert=is_expert,
        correct=correct,
        advantage=OBJECTIVE.advantage(correct.float(), group, is_expert),
    )


def add_gradient(policy: Policy, prompt: Tensor, response: Tensor, *, parts: int) -> None:
    """Add the loss's gradient to the parameters, in micro-batches of whole groups: the same however many parts."""
    with torch.no_grad():
        divisors = OBJECTIVE.divisors(rollouts(policy, prompt, response))  # of the whole batch; they need masks only
    groups = len(prompt) // (SAMPLES + 1)
    for rows in (torch.arange(len(prompt)).reshape(groups, -1)[part::parts].flatten() for part in range(parts)):
        loss = OBJECTIVE(rollouts(policy, prompt[rows], response[rows]), divisors=divisors).total
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own stub


def main(steps: int = 200, parts: int = 2) -> float:
    """Train, and return the share of all hundred prompts that the greedy policy has right."""
    torch.manual_seed(0)
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    every = torch.cartesian_prod(torch.arange(10), torch.arange(10))
    for _ in range(steps):
        prompt = every[torch.randperm(100)[:32]].repeat_interleave(SAMPLES + 1, dim=0)
        optimizer.zero_grad()
        add_gradient(policy, prompt, sample(policy, prompt), parts=parts)
        optimizer.step()
    greedy = solve(every)
    for place in range(LENGTH):
        greedy[:, place] = policy(every, greedy)[:, place].argmax(-1)
    return float((greedy == solve(every)).all(1).float().mean())


if __name__ == "__main__":
    print(f"{main():.0%} of all prompts are answered right")
