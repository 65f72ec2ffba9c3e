"""A run that goes on from a checkpoint is the run that was not interrupted, to the last bit."""

import pytest
import torch
from tiny import tiny_model
from tiny_runs import build, processor, rows, weights

from calibrl_ref import RECIPES, Schedule
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
HALF = Schedule(((RECIPES["sft"](), 0.5), (RECIPES["grpo"](), 0.5)))
ADAPTIVE = {"target_entropy": 5.0, "adaptation_rate": 0.1, "slope": 0.5, "exploration_weight": 1.0}
TIMES = ("step_time", "profiling", "runtime", "per_second")
CASES = {
    "calibrl": (Schedule.named("calibrl"), {}),
    "accumulated": (Schedule.named("calibrl"), {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}),
    "two_updates": (Schedule.named("calibrl"), {"steps_per_generation": 2}),
    "two_passes": (Schedule.named("grpo"), {"num_iterations": 2}),
    "split_groups": (
        Schedule.named("calibrl"),
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "steps_per_generation": 8},
    ),
    "stages": (HALF, {"steps_per_generation": 2}),
    "adaptive": (Schedule.named("calibrl_adaptive", **ADAPTIVE), {"steps_per_generation": 2}),
    "linear": (
        Schedule.named("calibrl"),
        {"lr_scheduler_type": "linear", "optim": "adamw_torch", "learning_rate": 1e-3},
    ),
}


def trainer(folder, schedule, seed=0, **changes):
    options = {"max_steps": 6, "save_strategy": "steps", "save_steps": 1} | changes
    return build(
        lambda **given: HybridPolicyTrainer(schedule=schedule, method="test", **given),
        folder,
        model=tiny_model(processor(), seed=seed),
        data=rows().select(range(6)),  # three updates an epoch
        **options,
    )


def log(trainer):
    return [
        {name: value for name, value in record.items() if not any(word in name for word in TIMES)}
        for record in trainer.state.log_history
        if "train_runtime" not in record
    ]


def optimizer_state(trainer):
    return [value for state in trainer.optimizer.state_dict()["state"].values() for value in state.values()]


@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, name):
    schedule, changes = CASES[name]
    whole = trainer(tmp_path / "whole", schedule, **changes)
    whole.train()
    assert (weights(whole.model) - weights(tiny_model(processor()))).abs().max() > 1e-4
    for step in (1, 3, 4):  # within the first epoch, at its end, within the second
        cut = trainer(tmp_path / f"cut-{step}", schedule, seed=5, **changes)
        cut.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
        assert torch.equal(weights(cut.model), weights(whole.model)), step
        for mine, theirs in zip(optimizer_state(cut), optimizer_state(whole), strict=True):
            assert mine is theirs is None or torch.equal(torch.as_tensor(mine), torch.as_tensor(theirs))
        assert log(cut) == log(whole)
