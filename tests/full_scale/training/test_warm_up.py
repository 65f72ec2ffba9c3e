"""The warm-up that makes the shipped models."""

from collections import namedtuple
from types import SimpleNamespace

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


def test_a_batch_is_drawn_with_replacement_from_all_of_a_lessons_problems():
    lesson = Lesson(problems=list("abcdef"), batch_size=200)
    drawn, again = (lesson.draw(torch.Generator().manual_seed(3)) for _ in range(2))
    assert len(drawn) == 200
    assert set(drawn) == set("abcdef")
    assert drawn == again != lesson.draw(torch.Generator().manual_seed(4))


class Line(torch.nn.Module):
    """A model whose loss on a batch is a weight times the batch's number."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))

    def forward(self, number):
        return SimpleNamespace(loss=(self.weight * number).sum() ** 2)


def test_each_step_adds_up_the_losses_of_its_lessons_and_follows_one_cycle(monkeypatch):
    asked, looked = [], []

    def batch(_processor, drawn, *, begin):
        asked.append((drawn, begin))
        return {"number": torch.tensor([float(len(drawn)), 1.0])}

    monkeypatch.setattr(module, "supervised_batch", batch)
    lessons = [Lesson(problems=[1, 2, 3], batch_size=2), Lesson(problems=[7, 8], batch_size=5, begin="so")]
    found, wanted = Line(), Line()
    warm_up(
        found, None, lessons, steps=7, enough=lambda: looked.append(1), learning_rate=0.05, evaluate_every=3, seed=4
    )
    generator = torch.Generator().manual_seed(4)
    assert asked == [(lesson.draw(generator), lesson.begin) for _ in range(7) for lesson in lessons]
    assert len(looked) == 2  # after the third step and the sixth
    optimizer = torch.optim.AdamW(wanted.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=7)
    for _ in range(7):
        loss = sum(wanted(torch.tensor([size, 1.0])).loss for size in (2.0, 5.0))
        (gradient,) = torch.autograd.grad(loss, wanted.weight)
        wanted.weight.grad = gradient / max(1.0, gradient.norm().item() + 1e-6)
        optimizer.step()
        schedule.step()
    torch.testing.assert_close(found.weight, wanted.weight, rtol=1e-5, atol=1e-6)


Answered = namedtuple("Answered", "text")


def test_the_greedy_accuracy_is_the_share_of_right_answers(monkeypatch):
    problems = pretraining_problems(4, world="word_problems", seed=0, split="test")
    told = {}

    def answer(_model, _processor, asked, **options):
        told.update(options)
        wrong = Answered("<think>no</think><answer>-1</answer>")
        return [[Answered(expert_response(one))] if place < 3 else [wrong] for place, one in enumerate(asked)]

    monkeypatch.setattr(module, "answer_problems", answer)
    assert module.greedy_accuracy(None, None, problems, begin="so", longest=9) == 0.75
    assert told == {"greedy": True, "max_new_tokens": 9, "batch_size": 4, "begin": "so"}


@pytest.mark.parametrize(
    ("accuracy", "enough"), [(0.399, False), (0.40, True), (0.475, True), (0.55, True), (0.551, False)]
)
def test_part_of_the_skill_is_learnt_where_the_accuracy_is_inside_its_bounds(monkeypatch, accuracy, enough):
    asked, told = [], {}

    def measure(_model, _processor, problems, *, longest):
        asked.append((problems, longest))
        return accuracy

    monkeypatch.setattr(module, "greedy_accuracy", measure)
    monkeypatch.setattr(module, "warm_up", lambda *given, **options: told.update(options, lessons=given[2]))
    partly_skilled_model(world="word_problems", seed=5, steps=60, problems=40)
    assert told.pop("enough")() is enough
    (lesson,) = told.pop("lessons")
    assert list(lesson.problems) == pretraining_problems(40, world="word_problems", seed=5, split="train")
    assert (lesson.batch_size, lesson.begin, told) == (32, "", {"steps": 60, "seed": 5})
    assert asked == [(pretraining_problems(200, world="word_problems", seed=6, split="test"), 48)]


def test_the_stages_of_the_model_with_a_shortcut(monkeypatch):
    stages = []

    def note(_model, _processor, lessons, *, enough, **options):
        stages.append(([lesson.batch_size for lesson in lessons], enough.__name__, options))

    monkeypatch.setattr(module, "warm_up", note)
    shortcut_model(seed=3, steps=7, problems=60)
    assert stages == [
        ([8, 32], "looks_well", {"steps": 7, "learning_rate": 1e-3, "evaluate_every": 50, "seed": 3}),
        ([64, 8], "looks_rarely", {"steps": 100, "learning_rate": 3e-4, "evaluate_every": 5, "seed": 3}),
    ]


@pytest.mark.parametrize(("world", "longest"), [("word_problems", 48), ("pipelines", 128), ("shortcut", 48)])
def test_a_made_model_is_measured_on_500_other_problems_and_saved(monkeypatch, tmp_path, capsys, world, longest):
    asked, saved = {}, []

    def made(**given):
        asked.update(given)
        return "model", "processor"

    def measure(*given, longest):
        asked.update(measured=given[:2], held_out=given[2], longest=longest)
        return 0.475

    for name in ("partly_skilled_model", "program_model", "shortcut_model"):
        monkeypatch.setattr(module, name, made)
    monkeypatch.setattr(module, "pretraining_problems", lambda count, **how: [how] * count)
    monkeypatch.setattr(module, "greedy_accuracy", measure)
    monkeypatch.setattr(module, "save_checkpoint", lambda *given: saved.append(given))
    assert module.make_model(tmp_path, world=world, seed=3, steps=7, problems=60) == 0.475
    assert saved == [(tmp_path, "model", "processor")]
    assert (asked["seed"], asked["steps"], asked["problems"], asked.get("world", world)) == (3, 7, 60, world)
    assert (asked["measured"], asked["longest"]) == (("model", "processor"), longest)
    assert asked["held_out"] == [{"seed": 5, "split": "test", "world": world}] * 500
    assert "greedy accuracy 47.5% on 500 held-out problems" in capsys.readouterr().out
