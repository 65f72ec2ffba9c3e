"""What the sampling engine is told, and how far it is from the policy."""

import logging
from types import SimpleNamespace

import pytest
import torch
from fake_engine import FakeEngine
from tiny import tiny_model
from tiny_runs import arguments, logged, processor, run, weights, with_recipe
from trl.generation import vllm_generation
from trl.trainer import grpo_trainer

from calibrl_ref import Schedule
from full_scale.data.rendered import rendered_problems
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.training import sampler
from full_scale.training.rows import training_rows
from full_scale.training.sampler import GapWatch, Recording, recorded, told_dtype
from full_scale.training.trainer import HybridPolicyTrainer

TINY = str(SHIPPED_MODELS["tiny"])
pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


def test_a_run_of_image_tokens_becomes_one_and_the_rest_stays():
    assert sampler.single_image_tokens([9, 9, 1, 1, 9, 9, 9, 2], 9) == [9, 1, 1, 9, 2]
    assert sampler.single_image_tokens([], 9) == []


@pytest.mark.parametrize(
    ("options", "dtype"),
    [({"bf16": True}, "bfloat16"), ({"bf16": False}, "float32"), ({"bf16": False, "vllm_mode": "server"}, None)],
)
def test_a_colocated_vllm_is_told_the_type_of_the_computation(monkeypatch, options, dtype):
    def engine(**given):
        return given

    monkeypatch.setattr(vllm_generation, "LLM", engine, raising=False)
    args = SimpleNamespace(**({"use_vllm": True, "vllm_mode": "colocate"} | options))
    with told_dtype(args, torch.nn.Linear(1, 1)):
        assert vllm_generation.LLM(model="m") == {"model": "m"} | ({"dtype": dtype} if dtype else {})
    assert vllm_generation.LLM is engine


def test_what_is_recorded_is_the_log_probability_of_what_was_sampled():
    model, end = tiny_model(processor()).eval(), processor().tokenizer.eos_token_id
    prompts = torch.tensor([[0, 0, 11, 12, 13], [21, 22, 23, 24, 25]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    torch.manual_seed(0)
    rules = {"do_sample": True, "temperature": 0.7, "top_k": 0, "eos_token_id": [end, 30, 31, 32, 33]}
    with recorded(model, temperature=0.7) as recording:
        model.generate(input_ids=prompts, attention_mask=mask, max_new_tokens=3)  # an earlier one leaves nothing behind
        whole = model.generate(input_ids=prompts, attention_mask=mask, max_new_tokens=40, **rules)
    assert not model._forward_hooks
    responses = [
        row[: 1 + next(i for i, token in enumerate([*row, end]) if token in rules["eos_token_id"])]
        for row in whole[:, 5:].tolist()
    ]
    found = recording.of(responses)
    padded = torch.cat([mask, torch.ones_like(whole[:, 5:])], dim=1)
    with torch.no_grad():
        logits = model(input_ids=whole, attention_mask=padded).logits[:, 4:-1] / 0.7
    wanted = logits.log_softmax(-1).gather(2, whole[:, 5:, None]).squeeze(2).tolist()
    assert len({len(row) for row in responses}) == 2
    for row, (ids, values) in enumerate(zip(responses, found, strict=True)):
        assert values == pytest.approx(wanted[row][: len(ids)], abs=1e-5)


def test_where_the_model_is_not_called_there_is_nothing_to_compare():
    assert Recording(1.0).of([[1, 2]]) is None


def test_a_gap_in_the_first_update_ends_the_run_with_its_likely_causes():
    GapWatch().see(0.099, 3.0)
    message = r"sampler_gap=2.96: .* expected at most 0.1; likely causes: .*expanded twice.*handed over.* Fix: .*"
    with pytest.raises(ValueError, match=message):
        GapWatch().see(2.96, 11.0)


@pytest.mark.parametrize(
    ("first", "later", "warnings"),
    [
        (1e-5, [9e-5, 8e-5], 0),
        (1e-5, [0.0077, 0.008, 0.016], 2),  # a missed update, and when it has doubled
        (0.005, [0.04], 0),  # a bfloat16 engine
        (0.005, [0.06], 1),
        (0.09, [0.101], 1),
    ],
)
def test_a_gap_that_opens_later_is_warned_of(caplog, first, later, warnings):
    watch = GapWatch()
    watch.see(first, first)
    with caplog.at_level(logging.WARNING):
        for gap in later:
            watch.see(gap, gap)
    assert len(caplog.records) == warnings
    assert all("in the first update" in record.message for record in caplog.records)


def every_other(completion_ids, **_):
    """Rewards that differ in every group."""
    return [float(row % 2) for row, _ in enumerate(completion_ids)]


@pytest.fixture
def with_fake_engine(monkeypatch):
    """TRL with a stand-in for vLLM, and the shipped model: a random one hardly looks at its prompt."""
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", FakeEngine)
    monkeypatch.setattr(vllm_generation, "LLM", object, raising=False)

    def trainer(folder, **changes):
        shipped = load_processor(TINY)
        data = training_rows(
            rendered_problems(8, seed=1), shipped, instruct=False, format_weight=0.1, max_prompt_length=200,
            max_response_length=48,
        )[0]  # fmt: skip
        options = {"use_vllm": True, "vllm_mode": "colocate", "vllm_importance_sampling_correction": False}
        options |= {"per_device_train_batch_size": 4, "max_completion_length": 10, "max_steps": 2}
        return HybridPolicyTrainer(
            schedule=Schedule.named("calibrl"), model=load_model(TINY), reward_funcs=every_other, train_dataset=data,
            args=arguments(folder, **(options | changes)), processing_class=shipped,
        )  # fmt: skip

    return trainer


def test_an_engine_that_expands_pictures_itself_samples_from_the_policys_own_prompts(tmp_path, with_fake_engine):
    trainer = with_fake_engine(tmp_path)
    trainer.train()
    engine, image_token = trainer.vllm_generation, trainer.model.config.image_token_id
    assert [prompt.count(image_token) for prompt in engine.prompts] == [16] * len(engine.prompts)
    assert trainer.model.config.video_token_id not in set().union(*engine.prompts)
    assert engine.syncs == 2
    assert engine.generation_kwargs == {"logit_bias": {image_token: -100.0}}
    assert max(logged(trainer, "sampler_gap/mean")) < 1e-4
    assert len(logged(trainer, "sampler_gap/max")) == 2


def test_pictures_expanded_twice_end_the_run_in_its_first_update(tmp_path, with_fake_engine, monkeypatch):
    monkeypatch.setattr("full_scale.training.trainer.single_image_tokens", lambda ids, image_token: ids)
    trainer = with_fake_engine(tmp_path, max_steps=1)
    before = weights(trainer.model)
    with pytest.raises(ValueError, match=r"sampler_gap=.*expected at most 0.1; .*pictures expanded twice"):
        trainer.train()
    assert torch.equal(weights(trainer.model), before)  # the update was not made


def test_weights_that_are_not_handed_over_are_warned_of(tmp_path, with_fake_engine, monkeypatch, caplog):
    monkeypatch.setattr(FakeEngine, "sync_weights", lambda self: None)
    trainer = with_fake_engine(tmp_path, learning_rate=1e-3, optim="adamw_torch")
    trainer.train()
    first, second = logged(trainer, "sampler_gap/mean")
    assert first < 1e-4
    assert second > 2e-4
    assert "an update that was not handed over" in caplog.text


def test_transformers_own_sampling_is_compared_too(tmp_path):
    trainer = run(with_recipe("calibrl", mismatch_cap=2.0), tmp_path, temperature=0.8)
    assert len(logged(trainer, "sampler_gap/mean")) == 3
    assert max(logged(trainer, "sampler_gap/max")) < 1e-4
