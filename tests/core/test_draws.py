"""Uniform numbers as a hash of keys: the generator's published numbers, and the statistics of the draws."""

import pytest
import scipy.stats
import torch
from conftest import close

from calibrl_ref.draws import digest, splitmix64, uniform_draw


def test_the_hash_is_the_published_generator():
    """The first outputs of SplitMix64 for the seed 1234567, as published with its C code."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    states = [(1234567 + step * 0x9E3779B97F4A7C15 + 2**63) % 2**64 - 2**63 for step in range(5)]
    assert [number % 2**64 for number in splitmix64(torch.tensor(states)).tolist()] == published


@pytest.mark.parametrize("consecutive", [lambda i: i, lambda i: -i, lambda i: i * 2.0**-40, lambda i: -i * 2.0**20])
def test_draws_of_consecutive_keys_are_uniform_and_independent(consecutive):
    drawn = uniform_draw(torch.tensor([7]), consecutive(torch.arange(20_000))).double()
    assert drawn.dtype == torch.float64
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert scipy.stats.kstest(drawn, "uniform").pvalue > 1e-3
    pairs = torch.stack([drawn[1:], drawn[:-1]]).mul(8).long()
    counts = torch.bincount(pairs[0] * 8 + pairs[1], minlength=64)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    lowest_bits = (drawn * 2**53).long() % 2
    assert abs(lowest_bits.double().mean() - 0.5) < 4 * 0.5 / 20_000**0.5


def test_each_key_counts_and_so_does_their_order():
    a, b = torch.arange(3), torch.tensor([0.5, -1.0, 2.0])
    results = [uniform_draw(a, b), uniform_draw(b, a), uniform_draw(a), uniform_draw(b), uniform_draw(a + 1, b)]
    assert len({tuple(result.tolist()) for result in results}) == 5


def test_a_draw_looks_at_the_bits_and_not_at_the_width_of_the_type():
    values = torch.tensor([-0.5, -1.25, -3.0])
    close(uniform_draw(values), uniform_draw(values.double()), rtol=0.0, atol=0.0)
    nearly = values.double() * (1 + 2.0**-52)
    assert (uniform_draw(nearly) != uniform_draw(values)).all()
    assert not uniform_draw(values.requires_grad_()).requires_grad


def test_a_digest_sees_every_bit_of_its_segment_and_nothing_of_another_s():
    values, segment = -torch.rand(6, 4, dtype=torch.float64), torch.tensor([0, 0, 1, 1, 0, 2])
    before = digest(values, segment)
    assert len(before.unique()) == 3
    for row in range(6):
        changed = values.clone()
        changed[row, 2] *= 1 - 2.0**-52
        assert ((digest(changed, segment) != before) == (segment == segment[row])).all()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    padded = torch.cat([values, torch.zeros(6, 2)], 1)[order]
    assert torch.equal(digest(padded, segment[order]), before[order])


def test_integers_count_to_their_last_bit():
    large = torch.tensor([2**53, 2**53 + 1])  # one number in float64
    first, second = uniform_draw(large).tolist()
    assert first != second
    assert uniform_draw(torch.tensor([3])) != uniform_draw(torch.tensor([3.0]))
