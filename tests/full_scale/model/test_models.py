"""Kinds of model and number formats: text only, LoRA, bfloat16, a reference model; and image tokens in their places."""

import dataclasses

import pytest
import torch
from peft import LoraConfig
from tiny import tiny_model
from tiny_runs import arguments, build, logged, losses, processor, rows, run, token_reward, weights, with_recipe
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import GRPOTrainer

from calibrl_ref import RECIPES, Schedule
from full_scale.data.rendered import rendered_problems
from full_scale.model.tiny import build_tokenizer
from full_scale.problems.problem import Problem
from full_scale.training.rows import training_rows
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


@pytest.mark.parametrize("recipe", ["calibrl", "luffy", "sft_grpo", "dapo"])
def test_a_text_model_trains_on_text_with_the_same_trainer(tmp_path, recipe):
    questions = [f"what is {first}+{first + 1}?" for first in range(16)]
    tokenizer = build_tokenizer([f"{question} {index} <think><answer>" for index, question in enumerate(questions)])
    tokenizer.chat_template = "{% for message in messages %}Q: {{ message['content'] }} A:{% endfor %}"
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=2, **sizes, **ids))
    start = weights(model).clone()
    problems = [
        Problem(id=question, source="sums", question=question, answer=f"{2 * first + 1}", solution=f"{2 * first + 1}")
        for first, question in enumerate(questions)
    ]
    lengths = {"max_prompt_length": 99, "max_response_length": 99}
    data, _ = training_rows(problems, tokenizer, instruct=False, format_weight=0.1, **lengths)
    trainer = HybridPolicyTrainer(
        schedule=Schedule.named("calibrl") if recipe == "calibrl" else Schedule(stages(recipe)),
        model=model,
        reward_funcs=token_reward,
        args=arguments(tmp_path),
        train_dataset=data,
        processing_class=tokenizer,
    )
    trainer.train()
    assert len(losses(trainer)) == 3
    assert all(count > 0 for count in logged(trainer, "rows"))
    assert (weights(trainer.model) - start).abs().max() > 1e-5


def stages(name):
    if name == "sft_grpo":
        return ((RECIPES["sft"](), 0.5), (RECIPES["grpo"](), 0.5))
    return ((RECIPES[name](), 1.0),)


def test_a_lora_model_moves_its_adapters_only(tmp_path):
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    trainer = HybridPolicyTrainer(
        schedule=Schedule.named("calibrl"),
        model=tiny_model(processor()),
        reward_funcs=token_reward,
        args=arguments(tmp_path, max_steps=2, save_strategy="steps", save_steps=1),
        train_dataset=rows(),
        processing_class=processor(),
        peft_config=config,
    )
    start = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    moved = {name for name, weight in trainer.model.named_parameters() if not torch.equal(weight, start[name])}
    assert moved
    assert all("lora_" in name for name in moved)
    after = weights(trainer.model).clone()
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    torch.testing.assert_close(weights(trainer.model), after, atol=1e-6, rtol=0)


@pytest.mark.parametrize("recipe", ["calibrl", "calibrl_released"])
def test_bfloat16_runs(tmp_path, recipe):
    model = tiny_model(processor()).to(torch.bfloat16)
    trainer = run(with_recipe(recipe), tmp_path, model=model, bf16=True, max_steps=2)
    assert all(weight.dtype == torch.bfloat16 for weight in trainer.model.parameters())
    assert all(loss == loss and abs(loss) < 100 for loss in losses(trainer))
    assert all(norm > 0 for norm in logged(trainer, "grad_norm"))
    assert logged(trainer, "entropy")[0] == pytest.approx(5.755, abs=0.02)


def test_a_kl_penalty_with_a_reference_model_equals_stock_trl(tmp_path):
    tiny_model(processor()).save_pretrained(tmp_path / "model")
    options = {"model": str(tmp_path / "model"), "beta": 0.04, "model_init_kwargs": {"dtype": "float32"}}
    stock = run(GRPOTrainer, tmp_path / "stock", loss_type="grpo", **options)
    own = run(with_recipe("grpo", kl_weight=0.04, std_epsilon=1e-4), tmp_path / "own", **options)
    assert losses(own) == pytest.approx(losses(stock), abs=1e-6)
    torch.testing.assert_close(weights(own.model), weights(stock.model), atol=1e-6, rtol=0)
    assert abs(logged(own, "loss/kl")[2]) > 1e-5


def test_a_reference_as_the_baseline_needs_no_expert(tmp_path):
    tiny_model(processor()).save_pretrained(tmp_path / "model")
    options = {"model": str(tmp_path / "model"), "beta": 1e-3, "model_init_kwargs": {"dtype": "float32"}}
    trainer = run(with_recipe("calibrl_reference_baseline"), tmp_path, **options)
    assert logged(trainer, "rows") == [8, 8, 8]
    assert abs(logged(trainer, "loss/exploration")[2]) > 1e-4


def test_the_image_token_is_never_generated_even_if_it_is_the_likeliest(tmp_path):
    model = tiny_model(processor())
    token = processor().image_token_id

    def prefer(_module, _inputs, logits):
        logits[..., token] += 1e4
        return logits

    model.lm_head.register_forward_hook(prefer)
    trainer = build(with_recipe("grpo"), tmp_path, model=model)
    batch = trainer.sample([rows()[0]] * 4 + [rows()[1]] * 4)
    assert token not in batch.response_ids
    trainer.generation_config.suppress_tokens = None
    with pytest.raises(ValueError, match=rf"completion 0 contains the image token {token}; suppress it"):
        trainer.sample([rows()[0]] * 4 + [rows()[1]] * 4)


def test_a_prompt_cut_inside_its_picture_is_refused_before_the_model_is_called(tmp_path, monkeypatch):
    trainer = build(with_recipe("grpo"), tmp_path)
    original = trainer._tokenize_prompts

    def cutting(prompts):
        prompt_ids, images, fields = original(prompts)
        prompt_ids[2].remove(processor().image_token_id)
        return prompt_ids, images, fields

    def forbidden(*_, **__):
        raise AssertionError("the model was called")

    monkeypatch.setattr(trainer, "_tokenize_prompts", cutting)
    monkeypatch.setattr(trainer.model, "generate", forbidden)
    monkeypatch.setattr(trainer.model, "forward", forbidden)
    with pytest.raises(ValueError, match=r"prompt 2 has 15 image tokens, but its 1 picture\(s\) give 16 features"):
        trainer.sample([rows()[0]] * 8)


def test_prompts_and_experts_that_are_too_long_are_dropped_with_a_count():
    problems = rendered_problems(12, seed=0)
    problems[3] = dataclasses.replace(problems[3], question=problems[3].question * 3)
    options = {"instruct": False, "format_weight": 0.1, "max_response_length": 48}
    everything, _ = training_rows(problems, processor(), max_prompt_length=200, **options)
    lengths = [len(prompt_ids(row)) for row in everything]
    limit = sorted(lengths)[-2]
    kept, dropped = training_rows(problems, processor(), max_prompt_length=limit, **options)
    assert dropped.long_prompts == sum(length > limit for length in lengths) == 1
    assert len(kept) == 11
    assert max(len(prompt_ids(row)) for row in kept) == limit  # none was cut
    short, dropped = training_rows(problems, processor(), max_prompt_length=200, **options | {"max_response_length": 5})
    assert dropped.long_experts == 12
    assert all(row["expert"] is None for row in short)


def prompt_ids(row):
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": row["prompt"][0]["content"]}]}]
    text = processor().apply_chat_template(chat, add_generation_prompt=True)
    return processor()(text=[text], images=[row["images"]])["input_ids"][0]
