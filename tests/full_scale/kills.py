"""Kill tiny training runs at random points, resume them, and compare them with runs that were not interrupted.

Usage: python tests/full_scale/kills.py [--points 50] [--seed 0]

Each point kills a run once or twice: at a random time, before a random operation on a checkpoint's files, or in a
random forward pass of a rollout, a backward pass or a step of the optimiser. Weights, the optimiser's state, the log
and the order of the problems must be equal to the last bit. A run is a fork of this process, which has imported
everything already.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from pathlib import Path

import torch
from peft import LoraConfig
from tiny import tiny_model
from tiny_runs import arguments, processor, rows, token_reward
from transformers import PrinterCallback

from calibrl_ref import RECIPES, Schedule
from full_scale.run.manifest import checkpoints
from full_scale.training.trainer import HybridPolicyTrainer

UPDATES = 6
TIMES = ("step_time", "runtime", "per_second")
LINEAR = {"optim": "adamw_torch", "learning_rate": 1e-3, "lr_scheduler_type": "linear"}
ADAPTIVE = {"target_entropy": 5.0, "adaptation_rate": 0.1, "exploration_weight": 1.0}
SPLIT = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "steps_per_generation": 8}
CASES = {
    "calibrl, linear rate": (Schedule.named("calibrl"), LINEAR),
    "split groups, two updates a sampling": (Schedule.named("calibrl"), SPLIT),
    "two passes": (Schedule.named("grpo"), {"num_iterations": 2}),
    "sft, then grpo, two updates a sampling": (
        Schedule(((RECIPES["sft"](), 0.5), (RECIPES["grpo"](), 0.5))),
        {"steps_per_generation": 2},
    ),
    "refilling": (Schedule.named("calibrl_dapo"), {"steps_per_generation": 2}),
    "adaptive slope": (Schedule.named("calibrl_adaptive", **ADAPTIVE), LINEAR | {"steps_per_generation": 2}),
    "lora": (Schedule.named("calibrl"), LINEAR | {"steps_per_generation": 2}),
}
FILE_EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
POINTS = ("time", "file", "forward", "backward", "step")


class Counters:
    """Counts events, and kills this process at one of them."""

    def __init__(self, kind=None, number=0):
        self.kind, self.number, self.counts = kind, number, collections.Counter()

    def count(self, kind):
        self.counts[kind] += 1
        if kind == self.kind and self.counts[kind] == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_files(self, event, given):
        if event in FILE_EVENTS and given and "checkpoint-" in str(given[0]):
            self.count("file")

    def watch(self, trainer):
        weight = next(weight for weight in trainer.model.parameters() if weight.requires_grad)
        weight.register_hook(lambda gradient: self.count("backward"))
        trainer.model.register_forward_hook(lambda *_: None if torch.is_grad_enabled() else self.count("forward"))
        trainer.create_optimizer()
        trainer.optimizer.register_step_pre_hook(lambda *_: self.count("step"))
        sys.addaudithook(self.watch_files)


class Recording(HybridPolicyTrainer):
    """Remembers the problems of each update."""

    order = None

    def _compute_loss(self, model, inputs):
        self.order.setdefault(self.state.global_step, []).extend(inputs.rows.problem)
        return super()._compute_loss(model, inputs)


def build(name, folder):
    schedule, changes = CASES[name]
    options = {"max_steps": UPDATES, "save_strategy": "steps", "save_steps": 1} | changes
    adapters = LoraConfig(r=2, target_modules=["q_proj", "v_proj"]) if name == "lora" else None
    trainer = Recording(
        schedule=schedule,
        method=name,
        model=tiny_model(processor()),
        reward_funcs=token_reward,
        args=arguments(folder, **options),
        train_dataset=rows().select(range(6)),  # three updates an epoch
        processing_class=processor(),
        peft_config=adapters,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.order = {}
    return trainer


def result(trainer, counters):
    """What must be equal, and the numbers that say where a kill can be placed."""
    digest = hashlib.sha256()
    state = [value for state in trainer.optimizer.state_dict()["state"].values() for value in state.values()]
    for tensor in [*trainer.model.parameters(), *(value for value in state if isinstance(value, torch.Tensor))]:
        digest.update(tensor.detach().numpy().tobytes())
    log = [
        {key: value for key, value in record.items() if not any(word in key for word in TIMES)}
        for record in trainer.state.log_history
        if "train_runtime" not in record
    ]
    return {"weights": digest.hexdigest(), "log": log, "order": trainer.order, "counts": counters.counts}


def train(name, folder, counters, delay=None):
    """Train in this process, from the last checkpoint if there is one."""
    torch.manual_seed(random.randrange(2**31))  # a run may not depend on what its process did before
    trainer = build(name, folder)
    counters.watch(trainer)
    if delay is not None:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
    trainer.train(resume_from_checkpoint=bool(checkpoints(folder)))
    (folder / "result.json").write_text(json.dumps(result(trainer, counters)))


def fork(*given):
    """Run :func:`train` in a fork; its result, None where it was killed."""
    folder = given[1]
    child = os.fork()
    if child == 0:
        try:
            sys.stdout = sys.stderr = (folder.parent / f"{folder.name}.txt").open("a")
            train(*given)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGKILL:
        return None
    assert status == 0, (folder.parent / f"{folder.name}.txt").read_text()[-4000:]
    return json.loads((folder / "result.json").read_text())


def difference(found, whole):
    """What is not equal, in a word; None if all is."""
    if found["weights"] != whole["weights"]:
        return "weights or optimiser"
    if found["log"] != whole["log"]:
        return "log"
    return None if all(whole["order"][step] == names for step, names in found["order"].items()) else "order"


def point(name, folder, whole, seconds, kind):
    """One run, killed once or twice; what differs, and how often it was killed."""
    folder.mkdir()
    kills = 0
    for _ in range(random.choice((1, 1, 2))):
        number = random.randint(1, max(1, whole["counts"].get(kind, 1)))
        delay = random.uniform(0.0, seconds) if kind == "time" else None
        found = fork(name, folder, Counters(kind, number), delay)
        kills += found is None
        if found is not None:
            break
    else:
        found = fork(name, folder, Counters())
    return difference(found, whole), kills


def main(points, seed):
    """Print a line for each point that differs, and the count; return whether all were equal."""
    random.seed(seed)
    warnings.simplefilter("ignore", FutureWarning)  # two that TRL 1.16 causes
    processor(), rows()
    with tempfile.TemporaryDirectory() as place:
        references = {}
        names = random.sample(list(CASES), min(points, len(CASES)))
        for number, name in enumerate(names):
            (folder := Path(place, f"whole-{number}")).mkdir()
            started = time.monotonic()
            references[name] = fork(name, folder, Counters()), time.monotonic() - started
        kinds, equal, kills = collections.Counter(), 0, 0
        for number in range(points):
            name, kind = names[number % len(names)], POINTS[number % len(POINTS)]
            differs, times = point(name, Path(place, f"cut-{number}"), *references[name], kind)
            equal, kills, kinds[kind] = equal + (differs is None), kills + times, kinds[kind] + times
            if differs:
                print(f"point {number}: {name}, killed {times} times at a random {kind}: {differs} not equal")
    places = ", ".join(f"{count} by {kind}" for kind, count in sorted(kinds.items()))
    print(f"{equal} of {points} runs equal to the last bit after {kills} kills ({places})")
    return equal == points


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(0 if main(given.points, given.seed) else 1)
