"""A run that goes on from a checkpoint is the run that was not interrupted, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import tiny_model
from tiny_runs import build, processor, rows, weights

from calibrl_ref import RECIPES, Plateau, Schedule
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
HALF = Schedule(((RECIPES["sft"](), 0.5), (RECIPES["grpo"](), 0.5)))
ADAPTIVE = {"target_entropy": 5.0, "adaptation_rate": 0.1, "slope": 0.5, "exploration_weight": 1.0}
RANDOM_STATES = [np._core.multiarray._reconstruct, np.ndarray, np.dtype, np.dtypes.UInt32DType]  # numpy's own
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
    "plateau": (replace(HALF, plateau=Plateau(patience=1)), {"learning_rate": 1.0}),
    "adaptive": (Schedule.named("calibrl_adaptive", **ADAPTIVE), {"steps_per_generation": 2}),
    "linear": (
        Schedule.named("calibrl"),
        {"lr_scheduler_type": "linear", "optim": "adamw_torch", "learning_rate": 1e-3},
    ),
}


def trainer(folder, schedule, seed=0, **changes):
    options = {"max_steps": 6, "save_strategy": "steps", "save_steps": 1} | changes
    return build(
        lambda **given: HybridPolicyTrainer(
            schedule=schedule, method="test", eval_dataset=rows().select(range(6, 9)), **given
        ),
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


@pytest.mark.slow
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


def test_a_finished_run_is_not_trained_any_further(tmp_path):
    whole = trainer(tmp_path, Schedule.named("calibrl"), max_steps=2)
    whole.train()
    again = trainer(tmp_path, Schedule.named("calibrl"), seed=5, max_steps=2)
    output = again.train(resume_from_checkpoint=True)
    assert output.global_step == again.state.global_step == 2
    assert torch.equal(weights(again.model), weights(whole.model))
    fewer = trainer(tmp_path, Schedule.named("calibrl"), max_steps=1)
    assert fewer.train(resume_from_checkpoint=True).global_step == 2


@pytest.mark.slow
def test_a_constant_rate_allows_more_updates_and_the_name_of_the_folder_does_not_matter(tmp_path):
    trainer(tmp_path / "short", Schedule.named("calibrl"), max_steps=2).train()
    (tmp_path / "short" / "checkpoint-2").rename(tmp_path / "kept")
    longer = trainer(tmp_path / "longer", Schedule.named("calibrl"), max_steps=3)
    longer.train(resume_from_checkpoint=str(tmp_path / "kept"))
    whole = trainer(tmp_path / "whole", Schedule.named("calibrl"), max_steps=3)
    whole.train()
    assert torch.equal(weights(longer.model), weights(whole.model))


def test_what_would_not_be_the_same_run_is_refused(tmp_path):
    trainer(tmp_path, Schedule.named("calibrl"), max_steps=1, **CASES["linear"][1]).train()
    with pytest.raises(ValueError, match=r"max_steps=9: expected 1, for which the learning rate"):
        trainer(tmp_path, Schedule.named("calibrl"), max_steps=9, **CASES["linear"][1]).train(True)
    cut = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    with pytest.raises(ValueError, match=r"written with steps_per_generation 1, this run has 2"):
        trainer(tmp_path, Schedule.named("calibrl"), max_steps=1, **CASES["linear"][1], **cut).train(True)
    with pytest.raises(ValueError, match=r"no whole one. Fix: start anew"):
        trainer(tmp_path / "other", Schedule.named("calibrl"), max_steps=1).train(True)
    (tmp_path / "checkpoint-1" / "optimizer.pt").unlink()
    with pytest.raises(ValueError, match=r"optimizer.pt: .* is missing. Fix: start anew"):
        trainer(tmp_path, Schedule.named("calibrl"), max_steps=1, **CASES["linear"][1]).train(True)


def test_a_checkpoint_holds_no_pickle_of_objects_and_earlier_ones_are_pruned(tmp_path):
    run = trainer(tmp_path, Schedule.named("calibrl"), max_steps=3, save_total_limit=2)
    run.train()
    run.save_model(str(tmp_path))
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-3"]
    assert list(tmp_path.rglob("training_args.bin")) == []
    for file in (tmp_path / "checkpoint-3").iterdir():
        if file.suffix in (".pt", ".pth", ".bin"):
            with torch.serialization.safe_globals(RANDOM_STATES):
                torch.load(file, weights_only=True)
    assert (tmp_path / "checkpoint-3" / "model.safetensors").is_file()


def test_a_trainer_that_is_used_again_starts_anew(tmp_path):
    twice = trainer(tmp_path / "a", Schedule.named("calibrl"), max_steps=2, steps_per_generation=3)
    twice.train()
    first = len(twice.state.log_history)
    torch.manual_seed(1)
    twice.train()
    assert len(twice.state.log_history) == first
