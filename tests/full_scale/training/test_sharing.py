"""A whole training run that reads each group's prompt once equals one that reads it for every row."""

import pytest
import torch
from tiny import save_tiny_checkpoint, tiny_model, tiny_qwen3_vl
from tiny_runs import arguments, logged, losses, processor, rows, token_reward, weights
from trl import GRPOTrainer
from trl.trainer import utils

from calibrl_ref import RECIPES, Schedule
from full_scale.model.checkpoint import load_model
from full_scale.model.head import CHUNK
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing_disable` is deprecated:FutureWarning"),  # by TRL 1.16
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning"),  # by TRL 1.16
]
TRACKED = ("loss", "grad_norm", "entropy", "reward", "reward_std", "accuracy", "rows", "expert_log_prob", "num_tokens")
SPLIT = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
RUNS = {
    "grpo": ("grpo", {}),
    "calibrl": ("calibrl", {}),
    "released": ("calibrl_released", {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}),
    "split": ("calibrl", SPLIT),
    "two_updates": ("calibrl", {"steps_per_generation": 2}),
    "checkpointed": ("calibrl", {"activation_checkpointing": True}),
    "supervised": ("sft", {}),
}
FAST = ("calibrl", "split")


def trained(folder, choice, recipe, *, model=None, data=None, read=None, peft=None, head_chunk=CHUNK, **changes):
    hyper_parameters = {"exploration_weight": 1.0} if "calibrl" in recipe else {}
    trainer = HybridPolicyTrainer(
        schedule=Schedule(((RECIPES[recipe](**hyper_parameters), 1.0),)),
        shared_prompt=choice,
        head_chunk=head_chunk,
        model=(model or tiny_model)(read or processor()),
        reward_funcs=token_reward,
        args=arguments(folder, max_steps=2, **changes),
        train_dataset=data or rows(),
        processing_class=read or processor(),
        peft_config=peft,
    )
    trainer.train()
    return trainer


def assert_equal_runs(tmp_path, *given, tolerance=1e-5, **changes):
    shared, apart = (trained(tmp_path / choice, choice, *given, **changes) for choice in ("auto", "off"))
    assert (shared.shares_prompts, apart.shares_prompts) == (True, False)
    for name in TRACKED:
        assert logged(shared, name) == pytest.approx(logged(apart, name), abs=tolerance, rel=10 * tolerance), name
    assert len(losses(apart)) == 2
    torch.testing.assert_close(weights(shared.model), weights(apart.model), atol=tolerance, rtol=0)
    return shared


@pytest.mark.parametrize(
    "run", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow, id=name) for name in RUNS]
)
def test_a_run_is_the_same(tmp_path, run):
    recipe, changes = RUNS[run]
    trainer = assert_equal_runs(tmp_path, recipe, **changes)
    assert (weights(trainer.model) - weights(tiny_model(processor()))).abs().max() > 1e-4


@pytest.mark.slow
def test_a_run_of_qwen3_vl_is_the_same(tmp_path):
    assert_equal_runs(tmp_path, "calibrl", model=tiny_qwen3_vl)


@pytest.mark.slow
def test_a_run_with_a_reference_policy_is_the_same(tmp_path):
    """CPPO also prunes its groups."""
    save_tiny_checkpoint(tmp_path / "model")
    assert_equal_runs(tmp_path, "cppo", model=lambda _: load_model(tmp_path / "model"), beta=1e-3)


@pytest.mark.slow
def test_a_run_with_adapters_is_the_same(tmp_path):
    from peft import LoraConfig

    adapters = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    assert_equal_runs(tmp_path, "calibrl", peft=adapters, beta=1e-3)


@pytest.mark.slow
def test_a_run_in_half_precision_is_nearly_the_same(tmp_path):
    """Sixteen bits are rounded differently where they are added in another order."""
    assert_equal_runs(tmp_path, "calibrl", bf16=True, tolerance=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["auto", "off"])
def test_a_run_is_the_same_however_few_logits_are_held(tmp_path, choice):
    held = []

    def observed(read):
        model = tiny_model(read)

        def see(_module, _given, named):
            if named.get("fused_lm_head"):
                labels = named.get("shift_labels", named.get("labels"))
                held.append(utils._CHUNKED_LOGPROB_CHUNK_SIZE * int((labels != -100).sum()))

        model.register_forward_pre_hook(see, with_kwargs=True)
        return model

    few = trained(tmp_path / "few", choice, "calibrl", model=observed, head_chunk=2)
    vocabulary = few.model.config.get_text_config().vocab_size
    assert 0 < max(held) <= 2 * vocabulary
    many = trained(tmp_path / "many", choice, "calibrl", model=observed, head_chunk=10_000)
    assert max(held) > 10 * vocabulary
    torch.testing.assert_close(weights(few.model), weights(many.model), atol=1e-5, rtol=0)


def test_a_chunk_without_a_token_is_refused(tmp_path):
    with pytest.raises(ValueError, match="head_chunk=0: expected at least 1"):
        trained(tmp_path, "auto", "grpo", head_chunk=0)


def test_the_processor_reads_each_prompt_once(tmp_path, monkeypatch):
    kind, read = type(processor().image_processor), []
    original = kind.preprocess

    def counting(self, images, *args, **options):
        read.append(images)
        return original(self, images, *args, **options)

    monkeypatch.setattr(kind, "preprocess", counting)
    trainer = trained(tmp_path, "off", "grpo")
    assert len(read) == 2 * 2  # two samplings of two prompts
    stock = GRPOTrainer(
        model=tiny_model(processor()),
        reward_funcs=token_reward,
        args=arguments(tmp_path, max_steps=2),
        train_dataset=rows(),
        processing_class=processor(),
    )
    read.clear()
    stock.train()
    assert sum(len(images) for images in read) > 4 * 2 * 2
    assert trainer.state.global_step == stock.state.global_step


def test_a_prompt_that_differs_within_its_group_is_refused(tmp_path):
    trainer = trained(tmp_path, "auto", "grpo")
    first, other = rows()[0], rows()[1]
    with pytest.raises(ValueError, match=r"row 3: expected the prompt and the pictures of row 0.* 4 times in a row"):
        trainer.sample([first, first, first, other])
    with pytest.raises(ValueError, match="row 1: expected the prompt and the pictures of row 0"):
        trainer.sample([first, first | {"images": other["images"]}, first, first])


def test_it_is_forced_on_a_model_that_cannot(tmp_path):
    def eager(read):
        model = tiny_model(read)
        model.set_attn_implementation("eager")
        return model

    with pytest.raises(ValueError, match=r"shared_prompt='on': .* its attention is eager.*Fix: --shared-prompt auto"):
        trained(tmp_path, "on", "calibrl", model=eager)
