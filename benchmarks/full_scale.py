"""Cost of a training step beside stock TRL: ``python -m benchmarks "step, 112 px" "step, 448 px" growth``.

All train the shipped tiny model on the same rendered problems, in turns step by step, with a learning rate so small
that they keep sampling the same responses. Time is the process's CPU time on one thread, so that other programs hardly
matter; memory is the growth of a process of its own since it loaded the model.
"""

import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from threading import Semaphore, Thread

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.logging import disable_progress_bar
from trl import GRPOConfig, GRPOTrainer

from benchmarks.rows import Row
from calibrl_ref import Schedule
from full_scale.data.rendered import rendered_problems
from full_scale.model.checkpoint import TINY_MODEL, load_model
from full_scale.model.processor import Processor, load_processor
from full_scale.training.rows import training_rows
from full_scale.training.trainer import HybridPolicyTrainer
from full_scale.verifier.rewards import total_reward

STOCK = "stock TRL GRPO"
METHODS = {
    "grpo": ("grpo", {}),
    "calibrl": ("calibrl", {}),
    "calibrl_released": ("calibrl_released", {}),
    "luffy": ("luffy", {}),
    "cppo, all kept": ("cppo", {"keep_fraction": 1.0, "kl_weight": 0.0}),  # stock has no reference model either
    "cppo, half kept": ("cppo", {"keep_fraction": 0.5, "kl_weight": 0.0}),
}
BARS = {112: (0.50, 0.40, None), 448: (0.30, 0.20, 0.6)}
"""Side of the pictures -> the most that calibrl may take of stock TRL's step, forward and backward pass, and memory."""
GROUP_SIZE, PROMPTS, LONGEST = 8, 4, 48
SAMPLING, REWARDS, OLD, UPDATE = "sampling", "rewards", "old log-probabilities", "forward + backward"
OPTIMISER, REST = "optimiser", "rest"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is trained on.

    Attributes:
        pixels: Side of the pictures, a multiple of 28.
        group_size: Responses per prompt.
        longest: Tokens of a response at most.
        shortest: And at least.
    """

    pixels: int = 112
    group_size: int = GROUP_SIZE
    longest: int = LONGEST
    shortest: int = 0


class StepTimes(TrainerCallback):
    """Seconds of each step, by the given clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.seconds, self.start = clock, list[float](), 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start the clock; generation is part of the step."""
        self.start = self.clock()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Stop it."""
        self.seconds.append(self.clock() - self.start)


def quiet() -> None:
    """Say nothing of the small models' loading and of what they learn from responses that cannot end."""
    warnings.simplefilter("ignore", FutureWarning)
    disable_progress_bar()
    logging.getLogger("full_scale").setLevel(logging.ERROR)


def build_trainer(
    name: str,
    model: PreTrainedModel,
    processor: Processor,
    rows: Dataset,
    args: GRPOConfig,
    reward: Callable[..., Sequence[float | None]],
    shared_prompt: str = "auto",
) -> GRPOTrainer:
    """Stock TRL's trainer, or this project's with one of :data:`METHODS`.

    Args:
        name: Which.
        model: Changed in place.
        processor: Its processor.
        rows: Training data.
        args: TRL's options.
        reward: Reward function.
        shared_prompt: Whether this project's reads a group's prompt once.

    Returns:
        A trainer that prints nothing.
    """
    options = {
        "model": model,
        "reward_funcs": reward,
        "args": args,
        "train_dataset": rows,
        "processing_class": processor,
    }
    if name == STOCK:
        trainer = GRPOTrainer(**options)
    else:
        recipe, hyper_parameters = METHODS[name]
        schedule = Schedule.named(recipe, **hyper_parameters)
        trainer = HybridPolicyTrainer(schedule=schedule, method=recipe, shared_prompt=shared_prompt, **options)
    trainer.remove_callback(PrinterCallback)
    return trainer


class Parts(TrainerCallback):
    """CPU seconds of the parts of each step."""

    def __init__(self, trainer: GRPOTrainer) -> None:
        self.steps: list[dict[str, float]] = []
        self._taken: defaultdict[str, float] = defaultdict(float)
        self._start = 0.0
        self._watch(trainer, "_generate", SAMPLING)
        self._watch(trainer, "_calculate_rewards", REWARDS)
        self._watch(trainer, "_get_per_token_logps_and_entropies", OLD, only=lambda: not torch.is_grad_enabled())
        self._watch(trainer, "_prepare_inputs", "inputs")
        self._watch(trainer, "training_step", "step")

    def _watch(self, trainer: GRPOTrainer, method: str, part: str, *, only: Callable[[], bool] = lambda: True) -> None:
        """Add what a method takes to a part."""
        original = getattr(trainer, method)

        def watched(*given: object, **named: object) -> object:
            """Call it."""
            counts, start = only(), time.process_time()
            try:
                return original(*given, **named)
            finally:
                self._taken[part] += (time.process_time() - start) if counts else 0.0

        setattr(trainer, method, watched)

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Start the clock; generation is part of the step."""
        self._taken.clear()
        self._start = time.process_time()

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        """The optimiser begins."""
        self._taken[OPTIMISER] -= time.process_time()

    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """It ends."""
        self._taken[OPTIMISER] += time.process_time()

    def on_step_end(self, *_: object, **__: object) -> None:
        """Stop the clock."""
        taken, whole = self._taken, time.process_time() - self._start
        parts = {name: taken[name] for name in (SAMPLING, REWARDS, OLD)}
        parts |= {UPDATE: taken["step"] - taken["inputs"], OPTIMISER: taken[OPTIMISER]}
        self.steps.append({"": whole, **parts, REST: whole - sum(parts.values())})


def tiny_trainer(name: str, folder: str, steps: int, load: Load) -> GRPOTrainer:
    """A trainer of the shipped model on rendered problems."""
    processor = load_processor(TINY_MODEL)
    processor.image_processor.size["longest_edge"] = load.pixels**2
    rows, _ = training_rows(
        rendered_problems(64, seed=0, size=load.pixels),
        processor,
        instruct=False,
        format_weight=0.1,
        max_prompt_length=512,
        max_response_length=LONGEST,
    )
    args = GRPOConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=PROMPTS * load.group_size,
        num_generations=load.group_size,
        max_completion_length=load.longest,
        generation_kwargs={"min_new_tokens": load.shortest} if load.shortest else None,
        learning_rate=1e-7,
        bf16=False,
        activation_checkpointing=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return build_trainer(name, load_model(TINY_MODEL), processor, rows, args, partial(total_reward, format_weight=0.1))


class Turn(TrainerCallback):
    """Makes a trainer wait before each of its steps, so that several make theirs in turns.

    The state of torch's random numbers is the trainer's own: so all trainers sample the same responses.

    Attributes:
        failure: What the trainer ended with, None where nothing went wrong.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self._mine, self._given_back = Semaphore(0), Semaphore(0)

    def on_step_begin(self, *_: object, **__: object) -> None:
        """Give the turn back, and wait for the next one."""
        random = torch.get_rng_state()
        self.give_back()
        self._mine.acquire()
        torch.set_rng_state(random)

    def give_back(self) -> None:
        """Let the others go on."""
        self._given_back.release()

    def until_given_back(self) -> None:
        """Wait for the trainer to come to its next step, or to its end."""
        self._given_back.acquire()
        if self.failure:
            raise self.failure

    def take(self) -> None:
        """Let the trainer make a step."""
        self._mine.release()
        self.until_given_back()


def step_parts(names: Sequence[str], steps: int, load: Load) -> dict[str, list[dict[str, float]]]:
    """CPU seconds of steps and their parts, of several trainers in turns, step by step.

    Args:
        names: The trainers.
        steps: Of each, after one that does not count.
        load: What is trained on.

    Returns:
        Trainer -> for each step, part -> seconds; the whole step's are named "".
    """
    turns, parts = {name: Turn() for name in names}, dict[str, Parts]()

    def train(name: str) -> None:
        """Train, one step in each turn."""
        torch.set_num_threads(1)
        try:
            with tempfile.TemporaryDirectory() as folder:
                trainer = tiny_trainer(name, folder, steps + 1, load)
                parts[name] = Parts(trainer)
                trainer.add_callback(turns[name])
                trainer.add_callback(parts[name])
                trainer.train()
        except Exception as error:
            turns[name].failure = error
        finally:
            turns[name].give_back()

    for name in names:
        Thread(target=train, args=[name], daemon=True).start()  # where one fails, the others wait to no end
        turns[name].until_given_back()
    for turn in list(turns.values()) * (steps + 1):
        turn.take()
    return {name: parts[name].steps[1:] for name in names}


def growth_mib(name: str, pixels: int) -> float:
    """What a process takes more than after loading the model when it trains two steps, MiB."""
    command = [sys.executable, "-m", "benchmarks.full_scale", name, str(pixels)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    return float(done.stdout.splitlines()[-1])


def print_growth(name: str, pixels: int) -> None:
    """Train two steps, and print how much the peak of memory grew, in MiB."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        trainer = tiny_trainer(name, folder, 2, Load(pixels=pixels))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        trainer.train()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def step_rows(pixels: int, *, steps: int) -> list[Row]:
    """A step of each method beside stock TRL's, by parts, and its memory.

    Args:
        pixels: Side of the pictures.
        steps: Of each method, in turns.

    Returns:
        The rows.
    """
    memory = {
        name: growth_mib(name, pixels) for name in (STOCK, "calibrl")
    }  # first: a child starts at its parent's peak
    torch.set_num_threads(1)
    load, (whole, update, most) = Load(pixels=pixels), BARS[pixels]
    found = step_parts((STOCK, *METHODS), steps, load)
    rows = [
        Row.of(
            f"{name}: {part}" if part else name,
            "s",
            [step[part] for step in found[name]],
            peer=STOCK,
            theirs=[step[part] for step in found[STOCK]],
            bar={"": whole, UPDATE: update}.get(part) if name == "calibrl" else None,
        )
        for name in METHODS
        for part, seconds in found[STOCK][0].items()
        if seconds
    ]
    mine, theirs = [memory["calibrl"]], [memory[STOCK]]
    return [*rows, Row.of("calibrl: growth of memory", "MiB", mine, peer=STOCK, theirs=theirs, bar=most)]


FIXED = Load(shortest=LONGEST)
"""Responses of one length: of their own they would end where chance has it."""
GROWTH = {
    **{f"G = {size}": replace(FIXED, group_size=size) for size in (4, 8, 16)},
    **{f"responses of {tokens}": replace(FIXED, longest=tokens, shortest=tokens) for tokens in (24, 48, 96, 192)},
    **{f"{pixels} px": replace(FIXED, pixels=pixels) for pixels in (112, 224, 336)},
}
"""Name -> what is trained on; else the prompts are of 45 tokens, the responses of 48, G is 8."""


def growth_rows(steps: int = 2) -> list[Row]:
    """How a step of calibrl, and its forward and backward pass, grow beside stock TRL's, step by step."""
    torch.set_num_threads(1)
    both = cache(lambda load: step_parts(("calibrl", STOCK), steps, load))
    rows = []
    for name, load in GROWTH.items():  # three names mean FIXED itself
        for part in ("", UPDATE, SAMPLING):
            ours, theirs = ([step[part] for step in both(load)[who]] for who in ("calibrl", STOCK))
            rows.append(Row.of(f"{name}: {part}" if part else name, "s", ours, peer=STOCK, theirs=theirs))
    return rows


if __name__ == "__main__":
    print_growth(sys.argv[1], int(sys.argv[2]))
