"""Sums, means and ranks within segments (groups of one prompt, replicas) without a loop, and without asking the device.

How many segments there are would have to be read from the device; the number of elements is a bound that need not be.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def segment_ids(ids: Int[Tensor, " n"]) -> tuple[Int[Tensor, " n"], int]:
    """Renumber arbitrary ids by their first place in ascending order (7, 3, 7 as 1, 0, 1); return also a bound."""
    ordered, order = ids.sort()
    place = torch.arange(len(ids), device=ids.device)
    begins = torch.ones_like(order, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    first = place.where(begins, 0).cummax(0).values
    return torch.empty_like(order).scatter(0, order, first), len(ids)


def segment_sum(values: Float[Tensor, " n"], segment: Int[Tensor, " n"], count: int) -> Float[Tensor, " segments"]:
    """Sum ``values`` within each of ``count`` segments."""
    return values.new_zeros(count).index_add_(0, segment, values)


def spread(by_segment: Float[Tensor, " segments"], segment: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Give each element its segment's value: a third of the time of indexing."""
    return by_segment.index_select(0, segment)


def segment_min(values: Float[Tensor, " n"], segment: Int[Tensor, " n"], count: int) -> Float[Tensor, " segments"]:
    """Smallest value of each of ``count`` segments (+inf where a segment is empty)."""
    return values.new_full((count,), torch.inf).scatter_reduce(0, segment, values, "amin")


def rank_in_segment(segment: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """How many earlier elements each element's segment has."""
    order = torch.argsort(segment, stable=True)
    return torch.empty_like(order).scatter(0, order, _rank(segment[order]))


def smallest_in_segment(
    key: Float[Tensor, " n"], segment: Int[Tensor, " n"], quota: Int[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """Mark the ``quota`` elements of each segment with the smallest ``key``; ties go to the earlier element.

    ``quota`` is given per element and is the same within a segment.
    """
    by_key = torch.argsort(key, stable=True)
    order = by_key[torch.argsort(segment[by_key], stable=True)]
    return torch.zeros_like(segment, dtype=torch.bool).scatter(0, order, _rank(segment[order]) < quota[order])


def _rank(ordered: Tensor) -> Tensor:
    return torch.arange(len(ordered), device=ordered.device) - torch.searchsorted(ordered, ordered)
