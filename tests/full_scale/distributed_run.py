"""Training runs in one of several processes, started by ``on_cpu.launch``.

Usage: distributed_run.py FOLDER MODEL NUMBER_OF_PROCESSES RECIPE[:ROWS_AT_ONCE]...
"""

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch
from accelerate.utils import gather_object
from on_cpu import shard
from tiny import tiny_model
from tiny_runs import GROUP_SIZE, build, losses, processor, run, with_recipe
from torch.distributed.tensor import DTensor
from trl import GRPOTrainer

from full_scale.model.checkpoint import load_model

GLOBAL_ROWS = 16
UPDATES = 4
TRACKED = ("entropy", "accuracy", "rows", "expert_log_prob", "grad_norm", "dropped_groups", "loss/exploration")


def scripted(self, prompt_ids, *_):
    """Responses that depend on the prompt and the number of the copy only, whichever process answers."""
    answers = []
    for number, ids in enumerate(prompt_ids):
        seed = hashlib.sha256(f"{ids} {number % GROUP_SIZE}".encode()).digest()
        answers.append([10 + byte % 200 for byte in seed[: 4 + seed[0] % 8]])
    return answers, None


def trained(recipe, folder, model, processes):
    """Four steps with scripted responses; each process takes its part of the same 16 rows."""
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
            with_recipe(recipe, **hyper_parameters), folder / "out", model=load_model(model), max_steps=UPDATES, **cut
        )
    finally:
        GRPOTrainer._generate_single_turn = original
    found = {name: [log[name] for log in trainer.state.log_history if name in log] for name in TRACKED}
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    found |= {"losses": losses(trainer), "engine": engine_of(trainer)}
    return found, {name: value.float() for name, value in (state or {}).items()}  # ZeRO-3: in the first process alone


def assert_equal_to_one_process(recipe, folder, model, one, *, engine):
    """What two processes wrote to a folder, beside the same training in this one."""
    wanted, weights = trained(recipe, one, model, 1)
    found = json.loads((folder / f"{recipe}.json").read_text())
    assert (found.pop("engine"), wanted.pop("engine")) == (engine, "plain")
    assert found.pop("losses") == pytest.approx(wanted.pop("losses"), abs=1e-7, rel=1e-6)  # grpo's is 0
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, abs=1e-6, rel=1e-5), name
    state = torch.load(folder / f"{recipe}.pt")
    for name, value in weights.items():
        torch.testing.assert_close(state[name], value, atol=1e-6, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
    start = tiny_model(processor()).state_dict()
    assert any((value - start[name]).abs().max() > 1e-4 for name, value in weights.items())


def engine_of(trainer):
    """Who holds the model: the name of the configuration, "plain" where it is whole."""
    if (plugin := trainer.accelerator.state.deepspeed_plugin) is not None:
        return f"deepspeed_zero{plugin.zero_stage}"
    return "fsdp2" if all(isinstance(weight, DTensor) for weight in trainer.model.parameters()) else "plain"


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
    shard()
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
