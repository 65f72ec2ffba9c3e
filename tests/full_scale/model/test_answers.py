"""Answers: lengths, entropy and log-probability against a separate forward pass, random numbers, text-only models."""

import copy

import pytest
import torch
from tiny import tiny_model, tiny_processor
from transformers import LlamaConfig, LlamaForCausalLM

from calibrl_ref import token_log_probs_and_entropy
from full_scale.data.rendered import rendered_problems
from full_scale.model.answers import answer_batch, answer_problems, batch_seed
from full_scale.model.prompting import model_inputs
from full_scale.problems.problem import Problem

PROBLEMS = rendered_problems(3, seed=0)


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


@pytest.fixture(scope="module")
def model(processor):
    return tiny_model(processor)


def scored(model, processor, problem, ids):
    """Log-probability and entropy of each response token from one forward pass over prompt and response."""
    inputs = model_inputs(processor, [problem], instruct=False)
    prompt = inputs["input_ids"]
    inputs["input_ids"] = torch.cat([prompt, ids], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "mm_token_type_ids" in inputs:
        inputs["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, ids.shape[1]))
    with torch.inference_mode():
        logits = model.eval()(**inputs).logits[:, prompt.shape[1] - 1 : -1]
        logits[..., model.config.image_token_id] = -torch.inf
        return token_log_probs_and_entropy(logits, ids)


@pytest.mark.parametrize("greedy", [True, False])
def test_log_probability_entropy_and_length_equal_a_forward_pass(model, processor, greedy, monkeypatch):
    generated = []
    generate = type(model).generate

    def keeping(self, **options):
        found = generate(self, **options)
        if isinstance(found, torch.Tensor):  # else it only read the prompts
            generated.append(found[:, options["input_ids"].shape[1] :])
        return found

    monkeypatch.setattr(type(model), "generate", keeping)
    answers = answer_problems(model, processor, PROBLEMS, greedy=greedy, max_new_tokens=6)
    for problem, (answer,), ids in zip(PROBLEMS, answers, generated[0], strict=True):
        log_probs, entropies = scored(model, processor, problem, ids[None, : answer.length])
        assert answer.log_prob == pytest.approx(float(log_probs.sum()), abs=2e-4)
        assert answer.entropy == pytest.approx(float(entropies.mean()), abs=2e-4)
        assert answer.finished == (ids[answer.length - 1] == processor.tokenizer.eos_token_id)
        assert answer.finished or answer.length == 6


def test_what_follows_the_end_token_does_not_count(model, processor, monkeypatch):
    end, pad = processor.tokenizer.eos_token_id, processor.tokenizer.pad_token_id
    generate = type(model).generate

    def ending(self, **options):
        found = generate(self, **options)
        if isinstance(found, torch.Tensor):  # else it only read the prompts
            found[0, -2], found[0, -1] = end, pad
        return found

    (whole,), _ = answer_problems(model, processor, PROBLEMS[:2], greedy=True, max_new_tokens=4)
    monkeypatch.setattr(type(model), "generate", ending)
    (short,), (other,) = answer_problems(model, processor, PROBLEMS[:2], greedy=True, max_new_tokens=4)
    assert (whole.length, whole.finished) == (4, False)
    assert (short.length, short.finished) == (3, True)
    assert (other.length, other.finished) == (4, False)
    assert short.log_prob > whole.log_prob


def test_sampling_repeats_differs_by_seed_and_leaves_the_random_state(model, processor):
    before = torch.random.get_rng_state()
    model.train()
    options = {"samples": 2, "max_new_tokens": 5}
    first, again, other = (answer_problems(model, processor, PROBLEMS, seed=seed, **options) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == again != other
    assert [len(given) for given in first] == [2, 2, 2]
    assert first[0][0] != first[0][1]
    assert model.training  # as it was


def test_a_batch_can_be_repeated_alone(model, processor):
    options = {"samples": 2, "max_new_tokens": 5}
    whole = answer_problems(model, processor, PROBLEMS, batch_size=2, seed=3, **options)
    alone = answer_batch(model, processor, PROBLEMS[2:], greedy=False, instruct=False, seed=batch_seed(3, 2), **options)
    assert whole[2:] == alone
    assert len({batch_seed(seed, start) for seed in range(20) for start in range(0, 640, 32)}) == 400


def test_the_image_token_is_never_generated(model, processor):
    with torch.no_grad():
        bias = torch.zeros(len(processor.tokenizer))
        bias[model.config.image_token_id] = 50.0
    hook = model.lm_head.register_forward_hook(lambda _module, _inputs, logits: logits + bias)
    try:
        answers = answer_problems(model, processor, PROBLEMS, samples=2, max_new_tokens=5)
    finally:
        hook.remove()
    assert all(
        torch.isfinite(torch.tensor([answer.entropy, answer.log_prob])).all() for row in answers for answer in row
    )


def test_problems_with_and_without_pictures_in_one_batch(model, processor):
    problems = [PROBLEMS[0], Problem(id="t", source="gsm8k", question="a=5 b=6 find x", answer="11")]
    answers = answer_problems(model, processor, problems, greedy=True, max_new_tokens=5)
    alone = answer_problems(model, processor, problems[1:], greedy=True, max_new_tokens=5)
    assert answers[1][0].text == alone[0][0].text
    assert answers[1][0].log_prob == pytest.approx(alone[0][0].log_prob, abs=1e-3)


def test_a_text_only_model_answers(processor):
    tokenizer = processor.tokenizer
    tokenizer.chat_template = processor.chat_template
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    problems = [Problem(id=str(n), source="gsm8k", question=f"a={n} b=6 find x", answer="11") for n in range(3)]
    answers = answer_problems(LlamaForCausalLM(config), tokenizer, problems, samples=2, max_new_tokens=4)
    assert [len(given) for given in answers] == [2, 2, 2]
    assert all(0 < answer.length <= 4 and answer.entropy > 0 for given in answers for answer in given)


def test_an_answer_has_the_opening_that_the_template_writes(model, processor):
    own = copy.deepcopy(processor)
    own.chat_template = own.chat_template.replace("assistant\n", "assistant\n<think>")
    options = {"greedy": True, "max_new_tokens": 5}
    ((answer,),) = answer_problems(model, own, PROBLEMS[:1], **options)
    assert answer.text.startswith("<think>")
    assert len(own.tokenizer(answer.text.removeprefix("<think>"))["input_ids"]) <= answer.length
    assert not answer_problems(model, processor, PROBLEMS[:1], **options)[0][0].text.startswith("<think>")


@pytest.mark.parametrize(("samples", "greedy"), [(2, True), (0, False)])
def test_contradicting_options_are_refused(model, processor, samples, greedy):
    with pytest.raises(ValueError, match=f"samples is {samples}"):
        answer_problems(model, processor, PROBLEMS, samples=samples, greedy=greedy, max_new_tokens=4)


def test_a_prompt_is_read_once_for_all_its_answers(model, processor, monkeypatch):
    read = []

    def note(_, __, options):
        read.append(options["inputs_embeds"].shape[0])

    handle = model.base_model.language_model.register_forward_pre_hook(note, with_kwargs=True)
    options = {"samples": 3, "max_new_tokens": 6}
    shared = answer_problems(model, processor, PROBLEMS, **options)
    rows, read[:] = read[:2], []
    monkeypatch.setattr("full_scale.model.answers.obstacle", lambda _: "forbidden here")
    apart = answer_problems(model, processor, PROBLEMS, **options)
    handle.remove()
    assert (rows, read[:2]) == ([3, 9], [9, 9])
    for answers, wanted in zip(shared, apart, strict=True):
        for mine, theirs in zip(answers, wanted, strict=True):
            assert (mine.text, mine.length, mine.finished) == (theirs.text, theirs.length, theirs.finished)
            assert (mine.log_prob, mine.entropy) == pytest.approx((theirs.log_prob, theirs.entropy), abs=1e-4)
