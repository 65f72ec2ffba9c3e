"""What a batch's losses are divided by: for micro-batches of it, and for the processes that share it."""

from collections.abc import Iterable

from jaxtyping import Bool, Int
from torch import Tensor, distributed

from calibrl_ref._checks import bad_value
from calibrl_ref.baselines import Scope
from calibrl_ref.rollouts import Rollouts

_FIX = "keep a group's rows in one micro-batch, or take constants of the whole batch with linearise"


class Divisors(tuple[Tensor, ...]):
    """One divisor per term of an objective, and the rows of the batch that they were counted in.

    Made by ``Objective.divisors``. Handed to the objective with a micro-batch, it refuses one that was cut so that rows
    lost what they are compared with, which would lose their loss without a word.
    """

    counts: tuple[bool, ...]
    group: Int[Tensor, " rows"]
    is_expert: Bool[Tensor, " rows"]

    def __new__(
        cls, values: Iterable[Tensor], *, counts: tuple[bool, ...], group: Tensor, is_expert: Tensor
    ) -> "Divisors":
        """Keep the values, and beside them which are counts and of which rows."""
        made = super().__new__(cls, values)
        made.counts, made.group, made.is_expert = counts, group, is_expert
        return made

    def over_processes(self) -> "Divisors":
        """Return this process's divisors for a batch that the processes of ``torch.distributed`` share.

        Counts are added up over the processes, then divided by their number: DDP, FSDP and DeepSpeed take the *mean* of
        the processes' gradients, and the mean of shares is the batch's gradient only if each share is as many times too
        large. Each process must hold whole groups, and all must call this. Alone, a process gets what it has.

        Returns:
            The divisors to call the objective with.
        """
        if not (distributed.is_available() and distributed.is_initialized()):
            return self
        joint = [value.clone() for value in self]
        for value, counted in zip(joint, self.counts, strict=True):
            distributed.all_reduce(value, distributed.ReduceOp.SUM if counted else distributed.ReduceOp.MAX)
        whole = Divisors(joint, counts=self.counts, group=self.group, is_expert=self.is_expert)
        return whole.divided(distributed.get_world_size())

    def divided(self, processes: int) -> "Divisors":
        """Return the divisors, counted over all processes, for one of them; see ``over_processes`` for the reason."""
        values = (value / processes for value in self)
        return Divisors(values, counts=self.counts, group=self.group, is_expert=self.is_expert)

    def check_part(self, part: Rollouts, scope: Scope, *, experts_only: bool) -> None:
        """Refuse a micro-batch that lacks rows which its rows are compared with.

        Args:
            part: rows of the batch that the divisors are of.
            scope: the objective's.
            experts_only: whether "group" means the experts of a row's group, or all rows of it.

        Raises:
            ValueError: with a group that was cut.
        """
        if scope == "batch" and len(part.group) != len(self.group):
            expected = f"all {len(self.group)}, as a term compares rows of the whole batch"
            raise bad_value("rows of the micro-batch", len(part.group), expected, "use linearise on the whole batch")
        if scope == "group":
            here = _of_own_group(part.group, part.group, part.is_expert, experts_only)
            in_all = _of_own_group(part.group, self.group, self.is_expert, experts_only)
            if bool((lacking := here != in_all).any()):
                row, kind = int(lacking.int().argmax()), "expert rows" if experts_only else "rows"
                what = f"{kind} of group {int(part.group[row])} in the micro-batch"
                raise bad_value(what, int(here[row]), f"all {int(in_all[row])} of the batch", _FIX)


def _of_own_group(own: Tensor, group: Tensor, is_expert: Tensor, experts_only: bool) -> Tensor:
    """Count, for each row of group ``own``, the rows of its group, or the experts of it."""
    same = own.unsqueeze(1) == group.to(own.device).unsqueeze(0)
    return (same & is_expert.to(own.device) if experts_only else same).sum(1)
