"""Small training runs that the tests of the trainer share."""

import functools

import torch
from tiny import tiny_model, tiny_processor
from trl import GRPOConfig

from calibrl_ref import RECIPES, Schedule
from full_scale.data.rendered import rendered_problems
from full_scale.training.rows import training_rows
from full_scale.training.trainer import HybridPolicyTrainer

GROUP_SIZE = 4


def token_reward(completion_ids, **_):
    """Depends on the tokens only, so that a model with random weights gets different rewards in a group."""
    return [float(sum(ids) % 3 == 0) for ids in completion_ids]


processor = functools.cache(tiny_processor)


@functools.cache
def rows(count=16):
    problems = rendered_problems(count, seed=0)
    return training_rows(
        problems, processor(), instruct=False, format_weight=0.1, max_prompt_length=200, max_response_length=48
    )[0]


def arguments(folder, **changes):
    options = {
        "output_dir": str(folder),
        "max_steps": 3,
        "per_device_train_batch_size": 8,
        "num_generations": GROUP_SIZE,
        "max_completion_length": 12,
        "learning_rate": 0.1,
        "optim": "sgd",  # at this learning rate AdamW turns float32 noise in a nearly zero gradient into a whole step
        "lr_scheduler_type": "constant",
        "beta": 0.0,
        "bf16": False,
        "activation_checkpointing": False,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    return GRPOConfig(**(options | changes))


def build(kind, folder, *, model=None, data=None, reward=token_reward, **changes):
    return kind(
        model=tiny_model(processor()) if model is None else model,
        reward_funcs=reward,
        args=arguments(folder, **changes),
        train_dataset=rows() if data is None else data,
        processing_class=processor(),
    )


def run(kind, folder, **options):
    """Build and train; the constructor sets the seed, so no other trainer may come in between."""
    trainer = build(kind, folder, **options)
    trainer.train()
    return trainer


def with_objective(objective):
    return lambda **options: HybridPolicyTrainer(schedule=Schedule(((objective, 1.0),)), **options)


def with_recipe(name, **hyper_parameters):
    return with_objective(RECIPES[name](**hyper_parameters))


def losses(trainer):
    return [log["loss"] for log in trainer.state.log_history if "loss" in log]


def logged(trainer, name):
    return [log[name] for log in trainer.state.log_history if name in log]


def weights(model):
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])
