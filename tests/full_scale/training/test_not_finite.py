"""A loss, a gradient or a logit that is not finite: the update is left out, counted, and its rows are kept."""

import logging
import math

import pytest
import torch
from tiny import tiny_model
from tiny_runs import build, logged, losses, processor, weights, with_recipe

from full_scale.run.manifest import checkpoints
from full_scale.training.checkpoints import load_micro_batches
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


class Faulty(HybridPolicyTrainer):
    """Spoils the loss of some updates."""

    updates, value = (1,), math.nan

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        return loss * self.value if self.state.global_step in self.updates else loss


def spoilt(updates, value=math.nan, **options):
    kind = type("Spoilt", (Faulty,), {"updates": updates, "value": value})
    schedule = with_recipe("calibrl")

    def make(**given):
        trainer = schedule(**given)
        trainer.__class__ = kind
        return trainer

    return lambda folder: build(make, folder, optim="adamw_torch", learning_rate=1e-3, weight_decay=0.1, **options)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("max_grad_norm", [1.0, 0.0])
def test_the_update_is_left_out_with_its_weight_decay_and_counted(tmp_path, caplog, value, max_grad_norm):
    trainer = spoilt((0,), value, max_steps=1, max_grad_norm=max_grad_norm)(tmp_path)
    with caplog.at_level(logging.WARNING):
        trainer.train()
    assert torch.equal(weights(trainer.model), weights(tiny_model(processor())))
    assert trainer.optimizer.state_dict()["state"] == {}
    assert logged(trainer, "skipped_updates") == [1.0]
    assert math.isnan(losses(trainer)[0])
    assert not math.isfinite(logged(trainer, "grad_norm")[0])
    assert "update 1 was left out: its loss or gradient is not finite (problems " in caplog.text
    (file,) = (tmp_path / "skipped").iterdir()
    assert str(file) in caplog.text
    (part,) = load_micro_batches(file)
    assert len(part.rows) == 10
    assert all(name in caplog.text for name in part.rows.problem)


def test_training_goes_on_from_finite_weights(tmp_path):
    trainer = spoilt((1, 2), max_steps=5, save_strategy="steps", save_steps=1)(tmp_path)
    trainer.train()
    assert logged(trainer, "skipped_updates") == [1.0, 2.0]
    assert [math.isnan(loss) for loss in losses(trainer)] == [False, True, True, False, False]
    assert weights(trainer.model).isfinite().all()
    assert (trainer.progress.skipped, trainer.progress.skipped_in_a_row) == (2, 0)
    assert len(checkpoints(tmp_path)) == 5


def test_a_set_number_in_a_row_ends_the_training(tmp_path):
    trainer = spoilt(range(9), max_steps=9)(tmp_path)
    with pytest.raises(ValueError, match=r"update 3 was left out: .*, the last of 3 in a row. Its rows are in .* Fix"):
        trainer.train()
    assert weights(trainer.model).isfinite().all()
    trainer = spoilt(range(9), max_steps=9)(tmp_path)
    trainer.skip_limit = 1
    with pytest.raises(ValueError, match="update 1 was left out"):
        trainer.train()


def test_an_accumulated_update_is_left_out_whole(tmp_path):
    cut = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    trainer = spoilt((1,), max_steps=2, **cut)(tmp_path)
    trainer.train()
    after_one = spoilt((), max_steps=1, **cut)(tmp_path / "one")
    after_one.train()
    assert torch.equal(weights(trainer.model), weights(after_one.model))
    assert len(load_micro_batches(tmp_path / "skipped" / "update-2-0.pt")) == 4


@pytest.mark.parametrize("when", ["scoring", "sampling"])
def test_logits_that_are_not_finite_leave_the_update_out(tmp_path, when):
    model = tiny_model(processor())

    def spoil(_module, _inputs, hidden):
        return hidden + math.nan if torch.is_grad_enabled() == (when == "scoring") else hidden

    model.model.language_model.norm.register_forward_hook(spoil)
    trainer = build(with_recipe("calibrl"), tmp_path, model=model, max_steps=1)
    trainer.train()
    assert logged(trainer, "skipped_updates") == [1.0]
    assert torch.equal(weights(trainer.model), weights(tiny_model(processor())))
