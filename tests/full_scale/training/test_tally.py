"""Metrics of an update: literal numbers, and the same over any cut and any number of processes."""

import pytest
import torch

from calibrl_ref import Rollouts
from full_scale.training.tally import Tally

CPU = torch.device("cpu")


def rollouts(**changes):
    """Three rows: two sampled, the third an expert's."""
    columns = {
        "token_log_prob": torch.tensor([[-1.0, -2.0, -9.0], [-3.0, -9.0, -9.0], [-0.5, -0.25, -9.0]]),
        "token_entropy": torch.tensor([[0.1, 0.2, 9.0], [0.6, 9.0, 9.0], [5.0, 7.0, 9.0]]),
        "mask": torch.tensor([[True, True, False], [True, False, False], [True, True, False]]),
        "group": torch.tensor([0, 0, 0]),
        "is_expert": torch.tensor([False, False, True]),
        "correct": torch.tensor([True, False, True]),
        "advantage": torch.tensor([1.0, -1.0, 0.0]),
    }
    columns["old_token_log_prob"] = columns["token_log_prob"]
    return Rollouts(**(columns | changes))


def metrics(tally, processes=1):
    return tally.metrics(lambda sums: sums * processes, torch.max, processes)


def test_entropy_is_the_mean_over_the_policys_own_tokens_and_the_expert_has_its_own_number():
    tally = Tally([], CPU)
    tally.add_rows(rollouts())
    assert metrics(tally) == pytest.approx({"entropy": (0.1 + 0.2 + 0.6) / 3, "expert_log_prob": -0.75})


def test_the_gap_to_the_sampler_stands_beside_the_other_metrics():
    tally = Tally([], CPU)
    sampler = torch.tensor([[-1.5, -2.0, -9.0], [-3.25, -9.0, -9.0], [-7.0, -7.0, -7.0]])
    tally.add_rows(rollouts(sampler_token_log_prob=sampler))
    expected = {"entropy": 0.3, "expert_log_prob": -0.75, "sampler_gap/mean": 0.25, "sampler_gap/max": 0.5}
    assert metrics(tally) == pytest.approx(expected)


def test_the_sums_are_kept_on_the_device():
    tally = Tally(["a"], torch.device("meta"))
    assert {kept.device.type for kept in (*tally.sums.values(), tally.largest_gap)} == {"meta"}
    assert tally.largest_gap.shape == (1,)


def test_means_are_over_all_micro_batches():
    tally = Tally([], CPU)
    tally.add_rows(rollouts())
    tally.add_rows(rollouts(token_entropy=torch.full((3, 3), 1.5), token_log_prob=torch.full((3, 3), -1.0)))
    assert metrics(tally) == pytest.approx({"entropy": (0.9 + 4.5) / 6, "expert_log_prob": (-0.75 - 2.0) / 2})


def test_what_was_not_there_has_no_number():
    tally = Tally([], CPU)
    tally.add_rows(rollouts().select(torch.tensor([False, False, True])))
    assert metrics(tally) == pytest.approx({"expert_log_prob": -0.75})
    tally = Tally([], CPU)
    tally.add_rows(rollouts().select(torch.tensor([True, True, False])))
    assert metrics(tally) == pytest.approx({"entropy": 0.3})
    tally = Tally([], CPU)
    tally.add_rows(rollouts(token_entropy=None))
    assert metrics(tally) == pytest.approx({"entropy": 0.0, "expert_log_prob": -0.75})


def test_shares_of_a_term_add_up():
    tally = Tally(["surrogate", "exploration", "surrogate"], CPU)
    tally.add_terms({"surrogate": torch.tensor(0.5, requires_grad=True), "exploration": torch.tensor(-0.25)})
    tally.add_terms({"surrogate": torch.tensor(0.125)})
    assert metrics(tally) == pytest.approx({"loss/surrogate": 0.625, "loss/exploration": -0.25})


def test_a_process_is_one_of_several_that_are_averaged():
    tally = Tally(["surrogate"], CPU)
    tally.add_rows(rollouts())
    tally.add_terms({"surrogate": torch.tensor(0.5)})
    wanted = {"loss/surrogate": 0.5, "entropy": 0.3, "expert_log_prob": -0.75}
    assert metrics(tally, processes=4) == pytest.approx(wanted)
    assert tally.metrics(lambda sums: sums * 3, torch.max, 1)["loss/surrogate"] == pytest.approx(1.5)


def test_the_gap_is_the_mean_and_largest_over_the_tokens_that_were_sampled():
    """Gaps of 0.5, 0 and 2 at the sampled tokens, in two micro-batches; the expert's row has a much larger one."""
    sampler = torch.tensor([[-1.5, -2.0, 9.0], [-1.0, 9.0, 9.0], [-100.0, -100.0, 9.0]])
    tally = Tally([], CPU)
    for rows in (torch.tensor([True, False, False]), torch.tensor([False, True, True])):
        tally.add_rows(rollouts(sampler_token_log_prob=sampler.clamp(max=0.0)).select(rows))
    found = metrics(tally, processes=2)
    assert found["sampler_gap/mean"] == pytest.approx((0.5 + 0.0 + 2.0) / 3)
    assert found["sampler_gap/max"] == pytest.approx(2.0)
    assert not {name for name in metrics(Tally([], CPU)) if "gap" in name}
