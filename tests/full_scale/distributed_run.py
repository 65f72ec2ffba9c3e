"""Training runs in one of several processes; started by test_distributed.py through torch.distributed.run.

Usage: distributed_run.py FOLDER MODEL NUMBER_OF_PROCESSES RECIPE[:ROWS_AT_ONCE]...
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, gather_object
from tiny_runs import GROUP_SIZE, build, losses, run, with_recipe
from torch.distributed.tensor import DTensor
from trl import GRPOTrainer

from full_scale.model.checkpoint import load_model

GLOBAL_ROWS = 16
TRACKED = ("entropy", "accuracy", "rows", "expert_log_prob", "grad_norm", "dropped_groups", "loss/exploration")


def scripted(self, prompt_ids, *_):
    """Responses that depend on the prompt and the number of the copy only, whichever process answers."""
    answers = []
    for number, ids in enumerate(prompt_ids):
        seed = hashlib.sha256(f"{ids} {number % GROUP_SIZE}".encode()).digest()
        answers.append([10 + byte % 200 for byte in seed[: 4 + seed[0] % 8]])
    return answers, None


def trained(recipe, folder, model, processes):
    """Two steps with scripted responses; each process takes its part of the same 16 rows."""
    recipe, _, micro_batch = recipe.partition(":")
    original, GRPOTrainer._generate_single_turn = GRPOTrainer._generate_single_turn, scripted
    own = GLOBAL_ROWS // processes
    micro_batch = int(micro_batch or own)
    cut = {"per_device_train_batch_size": micro_batch, "gradient_accumulation_steps": own // micro_batch}
    hyper_parameters = {"exploration_weight": 1.0} if "calibrl" in recipe else {}
    if recipe == "cppo":
        hyper_parameters["kl_weight"] = 0.0  # these runs keep no reference policy
    try:
        trainer = run(
            with_recipe(recipe, **hyper_parameters), folder / "out", model=load_model(model), max_steps=2, **cut
        )
    finally:
        GRPOTrainer._generate_single_turn = original
    found = {name: [log[name] for log in trainer.state.log_history if name in log] for name in TRACKED}
    state = trainer.accelerator.get_state_dict(trainer.model)
    found["sharded"] = all(isinstance(weight, DTensor) for weight in trainer.model.parameters())
    return {"losses": losses(trainer), **found}, {name: value.float() for name, value in state.items()}


def shard_on_cpu():
    """Let accelerate shard a model on CPUs; without this it reads its FSDP settings for accelerators only."""
    original = AcceleratorState.__init__

    def sharding(self, *args, fsdp_plugin=None, **options):
        original(self, *args, fsdp_plugin=fsdp_plugin, **options)
        if fsdp_plugin is not None:
            self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = sharding


def resumed(folder, model):
    """A run, and one that goes on from its checkpoint within a sampling; whether their weights are the same bits."""
    options = {"max_steps": 4, "save_strategy": "steps", "save_steps": 1, "steps_per_generation": 2}
    options |= {"per_device_train_batch_size": 4}
    whole = run(with_recipe("calibrl"), folder / "whole", model=load_model(model), **options)
    cut = build(with_recipe("calibrl"), folder / "cut", model=load_model(model), **options)
    cut.train(resume_from_checkpoint=str(folder / "whole" / "checkpoint-1"))
    pairs = zip(cut.model.parameters(), whole.model.parameters(), strict=True)
    equal = all(torch.equal(mine, theirs) for mine, theirs in pairs)
    return {"equal": equal, "losses": [losses(whole), losses(cut)]}


def main(folder, model, processes, *recipes):
    """Train each recipe, or resume, and let the first process write what it found."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        shard_on_cpu()
    if recipes == ("resume",):
        found = gather_object([resumed(Path(folder), model)])
        Path(folder, "resume.json").write_text(json.dumps(found))
        recipes = ()
    for recipe in recipes:
        found, state = trained(recipe, Path(folder), model, int(processes))
        if torch.distributed.get_rank() == 0:
            Path(folder, f"{recipe}.json").write_text(json.dumps(found))
            torch.save(state, Path(folder, f"{recipe}.pt"))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
