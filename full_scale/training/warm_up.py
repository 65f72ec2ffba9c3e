"""The supervised warm-up that makes the shipped tiny models: what ``full_scale/pretrain.py`` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from transformers.modeling_utils import PreTrainedModel

from full_scale.data import expert_response
from full_scale.data.rendered import rendered_problems
from full_scale.data.word_problems import word_problems
from full_scale.model.answers import answer_problems
from full_scale.model.checkpoint import save_checkpoint
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
from full_scale.verifier.answer import is_correct

ACCURACY_BOUNDS = (0.40, 0.55)
"""Stop when the measured greedy accuracy is in here; 35 % to 60 % is wanted, and 200 problems leave +- 3.5 points."""

MAX_NEW_TOKENS = 48


def warm_up(
    model: PreTrainedModel,
    processor: Processor,
    problems: Sequence[Problem],
    held_out: Sequence[Problem],
    *,
    steps: int,
    batch_size: int = 32,
    learning_rate: float = 6e-4,
    evaluate_every: int = 20,
    seed: int = 0,
) -> float:
    """Train on expert responses until the held-out accuracy is in :data:`ACCURACY_BOUNDS`, or ``steps`` are done.

    Args:
        model: Changed in place.
        processor: Of the model.
        problems: Training problems with expert solutions; each batch draws from them.
        held_out: Problems for the accuracy.
        steps: Length of the one-cycle learning-rate schedule.
        batch_size: Problems in a step.
        learning_rate: Peak of the schedule, of AdamW.
        evaluate_every: Steps between two looks at the accuracy.
        seed: Of the batches.

    Returns:
        The last measured greedy accuracy.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    accuracy = 0.0
    for step in range(1, steps + 1):
        chosen = torch.randint(len(problems), (batch_size,), generator=generator).tolist()
        loss = model(**supervised_batch(processor, [problems[index] for index in chosen])).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % evaluate_every == 0:
            accuracy = greedy_accuracy(model, processor, held_out)
            print(f"step {step:4d}  loss {loss.item():.3f}  held-out greedy accuracy {accuracy:.1%}", flush=True)
            if ACCURACY_BOUNDS[0] <= accuracy <= ACCURACY_BOUNDS[1]:
                break
    return accuracy


def supervised_batch(processor: Processor, problems: Sequence[Problem]) -> dict[str, torch.Tensor]:
    """Prompts and expert responses as one right-padded batch whose labels cover the responses only.

    Args:
        processor: Of the model.
        problems: Each with an expert solution.

    Returns:
        Inputs of the model's forward, with ``labels``.
    """
    tokenizer = tokenizer_of(processor)
    prompts = dict(model_inputs(processor, problems, instruct=False))
    targets = [f"{expert_response(problem)}{tokenizer.eos_token}" for problem in problems]
    response = tokenizer(targets, padding=True, padding_side="right", add_special_tokens=False, return_tensors="pt")
    ids, mask = response["input_ids"], response["attention_mask"]
    labels = torch.full_like(prompts["input_ids"], -100)
    longer = {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": torch.zeros_like(ids)}
    joined = {name: torch.cat([prompts[name], more], dim=1) for name, more in longer.items() if name in prompts}
    return prompts | joined | {"labels": torch.cat([labels, ids.masked_fill(mask == 0, -100)], dim=1)}


def greedy_accuracy(model: PreTrainedModel, processor: Processor, problems: Sequence[Problem]) -> float:
    """Share of problems whose greedy answer is correct.

    Args:
        model: The model.
        processor: Its processor.
        problems: What to answer.

    Returns:
        A number in [0, 1].
    """
    answers = answer_problems(
        model, processor, problems, greedy=True, max_new_tokens=MAX_NEW_TOKENS, batch_size=len(problems)
    )
    return sum(is_correct(a.text, problem) for (a,), problem in zip(answers, problems, strict=True)) / len(problems)


def untrained(problems: Sequence[Problem], *, text: bool, seed: int) -> tuple[PreTrainedModel, Processor]:
    """A tiny model with random weights, and its processor.

    Args:
        problems: Whose texts the tokenizer is trained on.
        text: The text model, else the vision-language model.
        seed: Of the weights.

    Returns:
        Both.
    """
    tokenizer = build_tokenizer([f"{problem.question}\n{expert_response(problem)}" for problem in problems])
    if text:
        tokenizer.chat_template = CHAT_TEMPLATE
        return build_model(tiny_text_config(tokenizer), seed=seed), tokenizer
    return build_model(tiny_config(tokenizer), seed=seed), build_processor(tokenizer)


def pretraining_problems(count: int, *, text: bool, seed: int, split: Literal["train", "test"]) -> list[Problem]:
    """Generated problems: rendered geometry, or word problems.

    Args:
        count: Number of problems.
        text: Word problems.
        seed: Of the problems.
        split: "train" or "test".

    Returns:
        The problems, with expert solutions.
    """
    if not text:
        return rendered_problems(count, seed=seed, split=split)
    problems = []
    for number, record in enumerate(word_problems(count, seed=seed, split=split)):
        solution, answer = record["answer"].split("\n#### ")
        name = f"{split}-{seed}-{number}"
        problem = Problem(id=name, source="words", question=record["question"], answer=answer, solution=solution)
        problems.append(problem)
    return problems


def make_model(out: Path, *, text: bool, seed: int, steps: int, problems: int) -> float:
    """Build, warm up and save a tiny model.

    Args:
        out: Folder of the checkpoint.
        text: Make the text model.
        seed: Of the weights, the problems and the batches.
        steps: Length of the learning-rate schedule.
        problems: Number of training problems.

    Returns:
        The saved model's greedy accuracy on 500 held-out problems.
    """
    given = pretraining_problems(problems, text=text, seed=seed, split="train")
    model, processor = untrained(given[:1000], text=text, seed=seed)
    looks, last = (
        pretraining_problems(count, text=text, seed=seed + more, split="test") for count, more in ((200, 1), (500, 2))
    )
    warm_up(model, processor, given, looks, steps=steps, seed=seed)
    accuracy = greedy_accuracy(model, processor, last)
    save_checkpoint(out, model, processor)
    print(f"saved to {out}: greedy accuracy {accuracy:.1%} on {len(last)} held-out problems")
    return accuracy
