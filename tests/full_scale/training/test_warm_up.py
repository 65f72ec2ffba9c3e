"""The warm-up that makes the shipped models."""

import pytest
import torch

from full_scale.data import expert_response
from full_scale.model.processor import tokenizer_of
from full_scale.training import warm_up as module
from full_scale.training.warm_up import pretraining_problems, supervised_batch, untrained, warm_up


@pytest.mark.parametrize("text", [False, True])
def test_labels_are_the_experts_responses_and_nothing_else(text):
    problems = pretraining_problems(3, text=text, seed=0, split="train")
    model, processor = untrained(problems, text=text, seed=0)
    batch = supervised_batch(processor, problems)
    tokenizer = tokenizer_of(processor)
    for labels, problem in zip(batch["labels"], problems, strict=True):
        assert tokenizer.decode(labels[labels != -100]) == expert_response(problem) + tokenizer.eos_token
    assert batch["input_ids"].shape == batch["attention_mask"].shape == batch["labels"].shape
    assert ("pixel_values" in batch) == (not text)
    assert torch.isfinite(model(**batch).loss)


def test_the_warm_up_learns_and_stops_inside_the_bounds(monkeypatch):
    problems = pretraining_problems(8, text=True, seed=0, split="train")
    model, processor = untrained(problems, text=True, seed=0)
    before = model(**supervised_batch(processor, problems)).loss.item()
    looks = iter([0.1, 0.45, 0.9])
    monkeypatch.setattr(module, "greedy_accuracy", lambda *_: next(looks))
    assert warm_up(model, processor, problems, problems, steps=30, batch_size=8, evaluate_every=5) == 0.45
    assert next(looks) == 0.9  # it did not look a third time
    assert model(**supervised_batch(processor, problems)).loss.item() < before
