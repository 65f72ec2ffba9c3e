"""The warm-up that makes the shipped models."""

import pytest
import torch

from full_scale.data import expert_response
from full_scale.data.shortcut import WAYS
from full_scale.model.decisions import FirstDecision, way_tokens
from full_scale.model.processor import tokenizer_of
from full_scale.training import warm_up as module
from full_scale.training.warm_up import (
    LOOKING_SHARE,
    Lesson,
    ShortcutLearner,
    partly_skilled_model,
    pretraining_problems,
    program_model,
    shortcut_model,
    supervised_batch,
    texts_of,
    untrained,
    warm_up,
)


@pytest.mark.parametrize("world", ["rendered", "word_problems", "pipelines"])
def test_labels_are_the_experts_responses_and_nothing_else(world):
    text = world != "rendered"
    problems = pretraining_problems(3, world=world, seed=0, split="train")
    model, processor = untrained(texts_of(problems), text=text, seed=0)
    batch = supervised_batch(processor, problems)
    tokenizer = tokenizer_of(processor)
    for labels, problem in zip(batch["labels"], problems, strict=True):
        assert tokenizer.decode(labels[labels != -100]) == expert_response(problem) + tokenizer.eos_token
    assert batch["input_ids"].shape == batch["attention_mask"].shape == batch["labels"].shape
    assert ("pixel_values" in batch) == (not text)
    assert torch.isfinite(model(**batch).loss)


def test_the_warm_up_learns_and_stops_when_it_is_enough():
    problems = pretraining_problems(8, world="word_problems", seed=0, split="train")
    model, processor = untrained(texts_of(problems), text=True, seed=0)
    before = model(**supervised_batch(processor, problems)).loss.item()
    looks = iter([False, True, True])
    lesson = Lesson(problems=problems, batch_size=8)
    warm_up(model, processor, [lesson], steps=30, enough=lambda: next(looks), evaluate_every=5)
    assert next(looks)  # it did not look a third time
    assert model(**supervised_batch(processor, problems)).loss.item() < before


@pytest.mark.slow
def test_a_model_of_part_of_the_skill_stops_inside_the_bounds(monkeypatch):
    accuracies = iter([0.1, 0.45, 0.9])
    monkeypatch.setattr(module, "greedy_accuracy", lambda *_, **__: next(accuracies))
    partly_skilled_model(world="word_problems", seed=0, steps=60, problems=40)
    assert next(accuracies) == 0.9


def test_what_a_response_begins_with_is_given_and_not_learnt():
    problems = pretraining_problems(2, world="rendered", seed=0, split="train")
    _, processor = untrained(texts_of(problems), text=False, seed=0)
    batch = supervised_batch(processor, problems, begin="<think>")
    tokenizer = tokenizer_of(processor)
    for ids, labels, problem in zip(batch["input_ids"], batch["labels"], problems, strict=True):
        assert tokenizer.decode(labels[labels != -100]) == f"{expert_response(problem)[7:]}{tokenizer.eos_token}"
        given = tokenizer.decode(ids[labels == -100])
        assert given.partition("assistant\n")[2].startswith("<think>")
        assert problem.solution not in given


def test_the_model_of_programs_learns_to_the_end_what_a_careless_author_writes(monkeypatch):
    taught = []
    monkeypatch.setattr(
        module, "warm_up", lambda *given, steps, enough, **_: taught.extend((given[2][0].problems, steps, enough()))
    )
    monkeypatch.setattr(module, "greedy_accuracy", lambda *_, **__: 1.0)
    _, tokenizer = program_model(seed=0, steps=7, problems=200)
    problems, steps, ended = taught
    sound = pretraining_problems(200, world="pipelines", seed=0, split="train")
    right = sum(own.answer == other.answer for own, other in zip(problems, sound, strict=True))
    assert 0.3 < right / len(problems) < 0.6  # none of two or three steps is mistaken
    assert (steps, ended) == (7, False)
    text = problems[0].solution
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_the_model_with_a_shortcut_learns_the_habit_and_with_the_first_word_given_the_skill(monkeypatch):
    taught = []
    monkeypatch.setattr(module, "warm_up", lambda model, processor, lessons, **options: taught.extend(lessons))
    _, processor = shortcut_model(seed=0, steps=7, problems=60)
    assert len(taught) == 4
    habit, skill = taught[:2]
    assert (habit.begin, skill.begin) == ("", "<think>look")
    assert {WAYS.taken(expert_response(problem)) for problem in skill.problems} == {"look"}
    assert {WAYS.taken(expert_response(problem)) for problem in habit.problems} >= {WAYS.shortcut, "skip"}
    assert len(way_tokens(processor, WAYS)) == 3


@pytest.mark.parametrize(
    ("look", "guess", "enough"),
    [
        (LOOKING_SHARE[0], 0.95, True),
        (LOOKING_SHARE[1], 0.95, True),
        (0.014, 0.95, False),
        (0.026, 0.95, False),
        (0.02, 0.92, False),  # too many first words are no way's
    ],
)
def test_the_habit_is_learnt_where_looking_is_rare_and_nearly_every_first_word_a_ways(monkeypatch, look, guess, enough):
    shares = {
        name: torch.tensor([value], dtype=torch.float64)
        for name, value in zip(WAYS.names, (look, guess, 0.0), strict=True)
    }
    found = FirstDecision(shares=shares, entropy=torch.tensor([0.0]))
    monkeypatch.setattr(module, "first_decision", lambda *_: found)
    assert ShortcutLearner(None, None, [], 0).looks_rarely() is enough


def test_the_skill_is_learnt_where_nine_of_ten_answers_that_look_are_right(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "greedy_accuracy", lambda *_, begin: asked.append(begin) or accuracies.pop())
    accuracies = [0.9, 0.89]
    learner = ShortcutLearner(None, None, [], 0)
    assert [learner.looks_well(), learner.looks_well()] == [False, True]
    assert asked == ["<think>look", "<think>look"]
