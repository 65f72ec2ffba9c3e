"""Reading a prompt once for all its responses gives what reading it once for each gives: scores, gradients, tokens."""

import pytest
import torch
from architectures import BUILD, IMAGE, TEXT, architecture, double_precision, prompt
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from calibrl_ref import token_log_probs_and_entropy
from full_scale.model.shared_prompt import (
    allow_sharing,
    generate_shared,
    obstacle,
    pack,
    prompt_positions,
    shares_prompts,
    sharing_generation,
)


def padded(rows, *, left, extra=0):
    width = max(map(len, rows)) + extra
    ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[number, place], mask[number, place] = torch.tensor(row), 1
    return ids, mask


class Groups:
    """Random prompts, and responses of random lengths to each of them."""

    def __init__(self, name, prompts, responses, *, extra=0, seed=0, dtype=torch.float64):
        generator = torch.Generator().manual_seed(seed)
        made = [prompt(name, words, sides, generator, dtype) for words, sides in prompts]
        self.prompts, self.seen = [ids for ids, _ in made], [inputs for _, inputs in made]
        self.prompt_of = torch.tensor([number for number, _ in responses])
        self.responses = [torch.randint(2, 60, (n,), generator=generator).tolist() for _, n in responses]
        self.prompt_ids, self.prompt_mask = padded(self.prompts, left=True, extra=extra)
        self.response_ids, self.response_mask = padded(self.responses, left=False, extra=extra)

    def inputs(self, numbers):
        """Pictures of some prompts, one behind the other."""
        seen = [self.seen[number] for number in numbers]
        names = {name: None for inputs in seen for name in inputs}
        return {name: torch.cat([inputs[name] for inputs in seen if name in inputs]) for name in names}

    def shared(self, model):
        """Log-probabilities and entropies, [responses, time], from one sequence."""
        kinds = {"mm_token_type_ids": (self.prompt_ids == IMAGE).long()}
        inputs = self.inputs(range(len(self.prompts)))
        positions = prompt_positions(model, self.prompt_ids, self.prompt_mask, inputs | kinds)
        packed = pack(
            self.prompt_ids, self.prompt_mask, positions, self.response_ids, self.response_mask, self.prompt_of
        )
        logits = model(**packed.model_inputs(), **inputs, use_cache=False).logits
        scores = token_log_probs_and_entropy(logits, packed.next_ids.clamp(min=0))
        return tuple(packed.by_response(values) for values in scores)

    def one_by_one(self, model):
        """The same from prompt and response of each row alone, without any padding."""
        found = torch.zeros(2, *self.response_ids.shape, dtype=model.dtype)
        for row, (number, response) in enumerate(zip(self.prompt_of.tolist(), self.responses, strict=True)):
            ids = torch.tensor([self.prompts[number] + response])
            inputs = self.inputs([number])
            if "image_grid_thw" in inputs:
                inputs["mm_token_type_ids"] = (ids == IMAGE).long()
            logits = model(input_ids=ids, **inputs, use_cache=False).logits[:, -len(response) - 1 : -1]
            scores = token_log_probs_and_entropy(logits, torch.tensor([response]))
            found[:, row, : len(response)] = torch.cat(scores)
        return tuple(found)


def with_gradients(model, scores):
    """Scores, and the gradient of a sum of them with different weights in every parameter."""
    model.zero_grad()
    sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in scores).backward()
    return [part.detach() for part in scores], {
        name: (torch.zeros_like(value) if value.grad is None else value.grad)
        for name, value in model.named_parameters()
    }


def assert_equal(groups, model, *, tolerance):
    wanted, slopes = with_gradients(model, groups.one_by_one(model))
    allow_sharing(model)
    found, shared_slopes = with_gradients(model, groups.shared(model))
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=tolerance)
    size = max(float(slope.abs().max()) for slope in slopes.values())
    for name, slope in slopes.items():
        torch.testing.assert_close(
            shared_slopes[name], slope, atol=tolerance * size, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert size > 0.01


sides = st.lists(st.integers(1, 3), max_size=2)
some_prompts = st.lists(st.tuples(st.integers(1, 9), sides), min_size=1, max_size=3)


@st.composite
def groups_of(draw, name, dtype):
    prompts = draw(some_prompts)
    rows = st.tuples(st.integers(0, len(prompts) - 1), st.integers(1, 7))
    return Groups(
        name,
        prompts,
        draw(st.lists(rows, min_size=1, max_size=6)),
        extra=draw(st.integers(0, 3)),
        seed=draw(st.integers(0, 100)),
        dtype=dtype,
    )


@pytest.mark.parametrize("name", BUILD)
@given(data=st.data())
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
def test_scores_and_gradients_equal_those_of_each_row_alone(name, data):
    with double_precision():
        assert_equal(data.draw(groups_of(name, torch.float64)), architecture(name), tolerance=1e-10)


@pytest.mark.parametrize("name", BUILD)
def test_in_single_precision_too(name):
    groups = Groups(name, [(9, [2, 1]), (4, []), (1, [3])], [(0, 5), (2, 1), (0, 7), (1, 3)], dtype=torch.float32)
    assert_equal(groups, architecture(name, dtype=torch.float32), tolerance=1e-5)


def generated(model, groups, copies, *, longest=6, ends=1, **options):
    """Tokens of ``copies`` responses to each prompt, with the pictures of all rows, or of each prompt once."""
    rows = [number for number in range(len(groups.prompts)) for _ in range(copies)]
    sees = bool(groups.inputs(rows))
    config = GenerationConfig(max_new_tokens=longest, pad_token_id=0, eos_token_id=ends, **options)
    told = {"input_ids": groups.prompt_ids[rows], "attention_mask": groups.prompt_mask[rows]}

    def inputs(numbers):
        kinds = {"mm_token_type_ids": (groups.prompt_ids[numbers] == IMAGE).long()} if sees else {}
        return groups.inputs(numbers) | (kinds if model.config.model_type != "internvl" else {})

    torch.manual_seed(0)
    apart = model.generate(**told, **inputs(rows), generation_config=config)
    torch.manual_seed(0)
    with sharing_generation(model, copies):
        shared = model.generate(**told, **inputs(list(range(len(groups.prompts)))), generation_config=config)
    return apart, shared


@pytest.mark.parametrize("options", [{"do_sample": False}, {"do_sample": True}], ids=["greedy", "sampled"])
@pytest.mark.parametrize("prompts", [[(9, [2, 1]), (4, []), (2, [3])], [(3, []), (7, [])]], ids=["pictures", "text"])
@pytest.mark.parametrize("name", BUILD)
def test_the_same_tokens_are_sampled(name, prompts, options):
    model = architecture(name)
    groups = Groups(name, prompts, [(0, 1)], extra=1)
    for _ in range(2):  # what a model remembers of the former prompts does not matter
        apart, shared = generated(model, groups, 3, **options)
        assert torch.equal(shared, apart)
    own = apart[:, groups.prompt_ids.shape[1] :]
    assert len({tuple(row.tolist()) for row in own}) > 1
    assert "generate" not in vars(model)


@pytest.mark.parametrize("name", BUILD)
def test_the_same_tokens_are_sampled_behind_pictures_although_what_has_ended_is_left_out(name):
    groups = Groups(name, [(9, [2, 1]), (4, [3])], [(0, 1)], extra=1)
    ends = list(range(12, 20))
    apart, shared = generated(architecture(name), groups, 12, longest=20, ends=ends, do_sample=True, top_k=0)
    assert torch.equal(shared, apart)
    written = (~torch.isin(apart[:, groups.prompt_ids.shape[1] :], torch.tensor(ends)).cumsum(1).bool()).sum(1)
    assert written.min() < 5 < written.max()


def test_a_prompt_that_differs_within_its_group_is_refused():
    model = architecture("llama")
    ids = torch.tensor([[5, 6], [5, 6], [5, 7], [5, 6]])
    with pytest.raises(ValueError, match="expected each prompt 2 times in a row"):
        generate_shared(
            model.generate, model, copies=2, input_ids=ids, attention_mask=ids, generation_config=GenerationConfig()
        )


def test_gradient_checkpointing_recomputes_with_the_same_attention():
    name = "qwen2_5_vl"
    groups = Groups(name, [(5, [2]), (3, [])], [(0, 4), (1, 2), (0, 3)])
    model = architecture(name)
    allow_sharing(model)
    _, plain = with_gradients(model, groups.shared(model))
    plain = {name: slope.clone() for name, slope in plain.items()}
    model.activation_checkpointing_enable()
    model.train()
    _, slopes = with_gradients(model, groups.shared(model))
    for parameter, slope in plain.items():
        assert torch.equal(slopes[parameter], slope), parameter


def test_without_a_layout_the_attention_is_sdpa():
    groups = Groups("qwen2", [(6, []), (3, [])], [(0, 2), (1, 4)])
    model = architecture("qwen2")
    wanted = model(groups.prompt_ids, attention_mask=groups.prompt_mask).logits
    allow_sharing(model)
    assert torch.equal(model(groups.prompt_ids, attention_mask=groups.prompt_mask).logits, wanted)


def sliding():
    return Qwen2ForCausalLM(Qwen2Config(**TEXT, use_sliding_window=True, sliding_window=8, max_window_layers=1))


def eager():
    model = architecture("qwen2")
    model.set_attn_implementation("eager")
    return model


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (sliding, "it has layers of sliding_attention"),
        (eager, "its attention is eager, and sdpa is needed"),
        (lambda: MistralForCausalLM(MistralConfig(**TEXT)), "its architecture, mistral, is not among those compared"),
    ],
    ids=["sliding", "eager", "unknown"],
)
def test_a_model_that_cannot_share_is_left_alone_or_refused_by_name(build, reason, caplog):
    model = build()
    former = model.config._attn_implementation
    assert reason in obstacle(model)
    assert not shares_prompts("auto", architecture("llama"), model)
    assert [reason in record.message for record in caplog.records] == [True]
    with pytest.raises(ValueError, match=rf"shared_prompt='on': .*{reason}.* Fix: --shared-prompt auto"):
        shares_prompts("on", model)
    assert model.config._attn_implementation == former


def test_what_was_not_asked_for_is_not_done(caplog):
    model = architecture("llama")
    assert not shares_prompts("off", model)
    assert model.config._attn_implementation == "sdpa"
    assert shares_prompts("auto", model)
    assert shares_prompts("on", model)  # once more, as when a second trainer is built
    assert not caplog.records
    with pytest.raises(ValueError, match="shared_prompt='yes'"):
        shares_prompts("yes", model)


def test_a_saved_checkpoint_says_nothing_of_it(tmp_path):
    model = architecture("llama")
    allow_sharing(model)
    model.save_pretrained(tmp_path)
    assert "shared_prompt" not in (tmp_path / "config.json").read_text()
