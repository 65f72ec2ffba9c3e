"""The supervised warm-up that makes the shipped tiny models: what ``full_scale/pretrain.py`` does."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import torch
from transformers.modeling_utils import PreTrainedModel

from full_scale.data import expert_response
from full_scale.data.pipelines import careless, pipeline_problems
from full_scale.data.rendered import rendered_problems
from full_scale.data.shortcut import WAYS, balanced_problems, habitual, shortcut_problems
from full_scale.data.word_problems import word_problems
from full_scale.model.answers import answer_problems
from full_scale.model.checkpoint import save_checkpoint
from full_scale.model.decisions import first_decision
from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import model_inputs
from full_scale.model.tiny import (
    CHAT_TEMPLATE,
    build_model,
    build_processor,
    build_tokenizer,
    tiny_config,
    tiny_text_config,
)
from full_scale.problems.problem import Problem
from full_scale.problems.ways import BEGIN
from full_scale.verifier.answer import is_correct

ACCURACY_BOUNDS = (0.40, 0.55)
"""Stop when the measured greedy accuracy is in here; 35 % to 60 % is wanted, and 200 problems leave +- 3.5 points."""

MAX_NEW_TOKENS = {"rendered": 48, "shortcut": 48, "word_problems": 48, "pipelines": 128}
"""World -> the longest answer that is measured, tokens: a little more than its longest expert's."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Problems that are learnt from.

    Attributes:
        problems: With expert solutions; each batch draws from them.
        batch_size: Problems in a batch.
        begin: What every response begins with, and what is given, not learnt.
    """

    problems: Sequence[Problem]
    batch_size: int = 32
    begin: str = ""

    def draw(self, generator: torch.Generator) -> list[Problem]:
        """A batch, drawn with replacement."""
        chosen = torch.randint(len(self.problems), (self.batch_size,), generator=generator)
        return [self.problems[index] for index in chosen.tolist()]


def warm_up(
    model: PreTrainedModel,
    processor: Processor,
    lessons: Sequence[Lesson],
    *,
    steps: int,
    enough: Callable[[], bool],
    learning_rate: float = 6e-4,
    evaluate_every: int = 20,
    seed: int = 0,
) -> None:
    """Train on expert responses until it is enough, or ``steps`` are done.

    Args:
        model: Changed in place.
        processor: Of the model.
        lessons: Each step draws a batch from each, and adds up their losses.
        steps: Length of the one-cycle learning-rate schedule.
        enough: Looks at the model, and tells whether to stop.
        learning_rate: Peak of the schedule, of AdamW.
        evaluate_every: Steps between two looks.
        seed: Of the batches.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        losses = []
        for lesson in lessons:
            loss = model(**supervised_batch(processor, lesson.draw(generator), begin=lesson.begin)).loss
            loss.backward()
            losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % evaluate_every == 0:
            print(f"step {step:4d}  loss {' + '.join(f'{loss:.3f}' for loss in losses)}  ", end="")
            if enough():
                break


def supervised_batch(processor: Processor, problems: Sequence[Problem], *, begin: str = "") -> dict[str, torch.Tensor]:
    """Prompts and expert responses as one right-padded batch whose labels cover the responses only.

    Args:
        processor: Of the model.
        problems: Each with an expert solution.
        begin: What every response begins with, and what is given, not learnt.

    Returns:
        Inputs of the model's forward, with ``labels``.
    """
    tokenizer = tokenizer_of(processor)
    prompts = dict(model_inputs(processor, problems, instruct=False, begin=begin))
    targets = [f"{str(expert_response(problem)).removeprefix(begin)}{tokenizer.eos_token}" for problem in problems]
    response = tokenizer(targets, padding=True, padding_side="right", add_special_tokens=False, return_tensors="pt")
    ids, mask = response["input_ids"], response["attention_mask"]
    labels = torch.full_like(prompts["input_ids"], -100)
    longer = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": torch.zeros_like(ids)}
    joined = {name: torch.cat([prompts[name], more], dim=1) for name, more in longer.items() if name in prompts}
    return prompts | joined | {"labels": torch.cat([labels, ids.masked_fill(mask == 0, -100)], dim=1)}


def greedy_accuracy(
    model: PreTrainedModel, processor: Processor, problems: Sequence[Problem], *, begin: str = "", longest: int = 48
) -> float:
    """Share of problems whose greedy answer is correct.

    Args:
        model: The model.
        processor: Its processor.
        problems: What to answer.
        begin: What every answer begins with.
        longest: Tokens of an answer.

    Returns:
        A number in [0, 1].
    """
    answers = answer_problems(
        model, processor, problems, greedy=True, max_new_tokens=longest, batch_size=len(problems), begin=begin
    )
    return sum(is_correct(a.text, problem) for (a,), problem in zip(answers, problems, strict=True)) / len(problems)


def untrained(texts: Iterable[str], *, text: bool, seed: int) -> tuple[PreTrainedModel, Processor]:
    """A tiny model with random weights, and its processor.

    Args:
        texts: What the tokenizer is trained on.
        text: The text model, else the vision-language model.
        seed: Of the weights.

    Returns:
        Both.
    """
    tokenizer = build_tokenizer(texts)
    if text:
        tokenizer.chat_template = CHAT_TEMPLATE
        return build_model(tiny_text_config(tokenizer), seed=seed), tokenizer
    return build_model(tiny_config(tokenizer), seed=seed), build_processor(tokenizer)


def texts_of(problems: Sequence[Problem]) -> list[str]:
    """What the tokenizer is trained on: questions and responses."""
    return [f"{problem.question}\n{expert_response(problem)}" for problem in problems]


def pretraining_problems(count: int, *, world: str, seed: int, split: Literal["train", "test"]) -> list[Problem]:
    """Generated problems: rendered geometry, with or without a shortcut, word problems, or programming tasks.

    Args:
        count: Number of problems.
        world: "rendered", "shortcut", "word_problems" or "pipelines".
        seed: Of the problems.
        split: "train" or "test".

    Returns:
        The problems, with expert solutions.
    """
    if world == "rendered":
        return rendered_problems(count, seed=seed, split=split)
    if world == "shortcut":
        return shortcut_problems(count, seed=seed, split=split)
    if world == "pipelines":
        return pipeline_problems(count, seed=seed, split=split)
    problems = []
    for number, record in enumerate(word_problems(count, seed=seed, split=split)):
        solution, answer = record["answer"].split("\n#### ")
        name = f"{split}-{seed}-{number}"
        problem = Problem(id=name, source="words", question=record["question"], answer=answer, solution=solution)
        problems.append(problem)
    return problems


def make_model(out: Path, *, world: str, seed: int, steps: int, problems: int) -> float:
    """Build, warm up and save a tiny model.

    Args:
        out: Folder of the checkpoint.
        world: "rendered", "word_problems", "pipelines" or "shortcut".
        seed: Of the weights, the problems and the batches.
        steps: Length of the learning-rate schedule.
        problems: Number of training problems.

    Returns:
        The saved model's greedy accuracy on 500 held-out problems.
    """
    makers = {"shortcut": shortcut_model, "pipelines": program_model}
    make = makers.get(world, partial(partly_skilled_model, world=world))
    model, processor = make(seed=seed, steps=steps, problems=problems)
    last = pretraining_problems(500, world=world, seed=seed + 2, split="test")
    accuracy = greedy_accuracy(model, processor, last, longest=MAX_NEW_TOKENS[world])
    save_checkpoint(out, model, processor)
    print(f"saved to {out}: greedy accuracy {accuracy:.1%} on {len(last)} held-out problems")
    return accuracy


def held_out_accuracy(model: PreTrainedModel, processor: Processor, *, world: str, seed: int) -> Callable[[], float]:
    """How to measure, and tell, a model's greedy accuracy while it is warmed up.

    Args:
        model: The model.
        processor: Its processor.
        world: As of :func:`pretraining_problems`.
        seed: Of the warm-up; its 200 problems are of the next.

    Returns:
        A function that prints the accuracy and gives it.
    """
    held_out = pretraining_problems(200, world=world, seed=seed + 1, split="test")

    def measure() -> float:
        """The accuracy now."""
        accuracy = greedy_accuracy(model, processor, held_out, longest=MAX_NEW_TOKENS[world])
        print(f"held-out greedy accuracy {accuracy:.1%}", flush=True)
        return accuracy

    return measure


def partly_skilled_model(*, world: str, seed: int, steps: int, problems: int) -> tuple[PreTrainedModel, Processor]:
    """A model that has learnt the format and a part of the skill: its accuracy is in :data:`ACCURACY_BOUNDS`.

    Args:
        world: As of :func:`pretraining_problems`; without pictures it is a text model.
        seed: Of the weights, the problems and the batches.
        steps: As in :func:`warm_up`.
        problems: Number of training problems.

    Returns:
        The model and its processor.
    """
    given = pretraining_problems(problems, world=world, seed=seed, split="train")
    model, processor = untrained(texts_of(given[:1000]), text=world != "rendered", seed=seed)
    measure = held_out_accuracy(model, processor, world=world, seed=seed)

    def enough() -> bool:
        """Whether the greedy accuracy is where it shall be."""
        return ACCURACY_BOUNDS[0] <= measure() <= ACCURACY_BOUNDS[1]

    warm_up(model, processor, [Lesson(problems=given)], steps=steps, enough=enough, seed=seed)
    return model, processor


CARELESS_SHARE = 0.3
"""Share of mistaken steps in what the model of programs learns from."""


def program_model(*, seed: int, steps: int, problems: int) -> tuple[PreTrainedModel, Processor]:
    """A model that has learnt to the end what a careless author writes.

    So its sampled programs are wrong for a reason that many problems share. A warm-up that stops early leaves another
    kind of mistake: tokens that no text holds, each from chance, from which little can be learnt.

    Args:
        seed: Of the weights, the problems, the mistakes and the batches.
        steps: Of the warm-up; all are done.
        problems: Number of training problems.

    Returns:
        The model and its processor.
    """
    rng = random.Random(f"careless-{seed}")
    given = pipeline_problems(problems, seed=seed, split="train")
    written = [careless(problem, rng, share=CARELESS_SHARE) for problem in given]
    model, processor = untrained(texts_of(written[:1000]), text=True, seed=seed)
    measure = held_out_accuracy(model, processor, world="pipelines", seed=seed)

    def enough() -> bool:
        """Never; it tells how far the model is."""
        measure()
        return False

    lessons = [Lesson(problems=written)]
    warm_up(model, processor, lessons, steps=steps, enough=enough, learning_rate=1e-3, evaluate_every=225, seed=seed)
    return model, processor


LOOKING_RIGHT = 0.9
"""Share of right answers by looking at which the first stage on the world with a shortcut stops."""

LOOKING_SHARE = (0.015, 0.025)
"""Probability of looking, mean over held-out problems, at which the second one stops."""

LATE_LOOKING = 0.06
"""Share of looking in the second stage's texts: the model takes up less of what is rare than it is shown."""

LOOK = f"{BEGIN}{WAYS.sound}"
"""How a response that looks begins."""


def shortcut_model(*, seed: int, steps: int, problems: int) -> tuple[PreTrainedModel, Processor]:
    """A model that can look, and has the habit of guessing.

    Of each step's problems a part is in the ways and shares of the habit, and teaches which way to take. The others
    look at every kind of figure alike often, with the first word given: they teach to see and to compute, and no
    habit. The first stage is for the skill; the second, slower and with more of the habit, for its rare part.

    Args:
        seed: Of the weights, the problems and the batches.
        steps: Of the first stage, as in :func:`warm_up`.
        problems: Number of training problems of each part.

    Returns:
        The model and its processor.
    """
    habit = habitual(shortcut_problems(problems, seed=seed), seed=seed)
    skill = balanced_problems(problems, seed=seed)
    tokenizer = build_tokenizer(texts_of([*skill[:1000], *habit[:1000]]))
    model = build_model(tiny_config(tokenizer, layers=3), seed=seed)
    learner = ShortcutLearner(model, build_processor(tokenizer), skill, seed)
    learner.learn(habit, steps=steps, sizes=(8, 32), rate=1e-3, every=50, enough=learner.looks_well)
    later = habitual(shortcut_problems(problems, seed=seed), seed=seed, looking=LATE_LOOKING)
    learner.learn(later, steps=100, sizes=(64, 8), rate=3e-4, every=5, enough=learner.looks_rarely)
    return model, learner.processor


@dataclass(frozen=True)
class ShortcutLearner:
    """A model that learns the world with a shortcut.

    Attributes:
        model: Changed in place.
        processor: Of the model.
        skill: Problems whose solutions look.
        seed: Of the batches; problems held out are of the next seed.
    """

    model: PreTrainedModel
    processor: Processor
    skill: Sequence[Problem]
    seed: int

    def learn(
        self,
        habit: Sequence[Problem],
        *,
        steps: int,
        sizes: tuple[int, int],
        rate: float,
        every: int,
        enough: Callable[[], bool],
    ) -> None:
        """One stage, whose steps have so many problems of habit and of skill."""
        lessons = [
            Lesson(problems=habit, batch_size=sizes[0]),
            Lesson(problems=self.skill, batch_size=sizes[1], begin=LOOK),
        ]
        warm_up(
            self.model,
            self.processor,
            lessons,
            steps=steps,
            enough=enough,
            learning_rate=rate,
            evaluate_every=every,
            seed=self.seed,
        )

    @cached_property
    def _held_out(self) -> list[Problem]:
        return shortcut_problems(200, seed=self.seed + 1, split="test")

    def looks_well(self) -> bool:
        """Whether it computes right from what it sees."""
        accuracy = greedy_accuracy(self.model, self.processor, self._held_out, begin=LOOK)
        print(f"right by looking {accuracy:.1%}", flush=True)
        return accuracy >= LOOKING_RIGHT

    def looks_rarely(self) -> bool:
        """Whether it looks in as many answers as it shall, and else takes the other ways."""
        found = first_decision(self.model, self.processor, self._held_out, WAYS)
        shares = {name: float(share.mean()) for name, share in found.shares.items()}
        print("first word " + ", ".join(f"{name} {share:.2%}" for name, share in shares.items()), flush=True)
        return LOOKING_SHARE[0] <= shares[WAYS.sound] <= LOOKING_SHARE[1] and found.known > 0.95
