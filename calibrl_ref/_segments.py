"""Sums, means and ranks within segments (groups of one prompt, replicas) without a Python loop."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def dense_ids(ids: Int[Tensor, " n"]) -> tuple[Int[Tensor, " n"], int]:
    """Renumber arbitrary ids as 0, 1, 2, ... in ascending order; return them and how many there are."""
    in_order = bool((ids[1:] >= ids[:-1]).all())  # the usual case, and then no sort is needed
    unique, dense = (torch.unique_consecutive if in_order else torch.unique)(ids, return_inverse=True)
    return dense, len(unique)


def segment_sum(values: Float[Tensor, " n"], segment: Int[Tensor, " n"], count: int) -> Float[Tensor, " segments"]:
    """Sum ``values`` within each of ``count`` segments."""
    return values.new_zeros(count).index_add(0, segment, values)


def segment_min(values: Float[Tensor, " n"], segment: Int[Tensor, " n"], count: int) -> Float[Tensor, " segments"]:
    """Smallest value of each of ``count`` segments (+inf where a segment is empty)."""
    return values.new_full((count,), torch.inf).scatter_reduce(0, segment, values, "amin")


def smallest_in_segment(
    key: Float[Tensor, " n"], segment: Int[Tensor, " n"], quota: Int[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """Mark the ``quota`` elements of each segment with the smallest ``key``; ties go to the earlier element.

    ``quota`` is given per element and is the same within a segment.
    """
    by_key = torch.argsort(key, stable=True)
    order = by_key[torch.argsort(segment[by_key], stable=True)]
    ordered = segment[order]
    starts = torch.searchsorted(ordered, ordered)
    rank = torch.arange(len(key), device=key.device) - starts
    return torch.zeros_like(segment, dtype=torch.bool).scatter(0, order, rank < quota[order])
