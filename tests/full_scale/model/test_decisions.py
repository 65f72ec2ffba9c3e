"""The first decision, from the logits: against the answers' own log-probabilities, and tokens that cannot tell."""

import math

import pytest
import torch
from tiny import tiny_model

from full_scale.data.shortcut import WAYS, habitual, shortcut_problems
from full_scale.model.answers import answer_problems
from full_scale.model.decisions import first_decision, way_tokens
from full_scale.model.prompting import model_inputs
from full_scale.model.tiny import build_processor, build_tokenizer
from full_scale.problems.ways import BEGIN, Ways
from full_scale.training.warm_up import texts_of

PROBLEMS = shortcut_problems(3, seed=0)


@pytest.fixture(scope="module")
def processor():
    problems = shortcut_problems(60, seed=1)
    return build_processor(build_tokenizer(texts_of([*problems, *habitual(problems, seed=1)])))


@pytest.fixture(scope="module")
def model(processor):
    return tiny_model(processor)


def test_shares_and_entropy_are_those_of_one_forward_pass(model, processor):
    found = first_decision(model, processor, PROBLEMS, WAYS, batch_size=2)
    tokens = way_tokens(processor, WAYS)
    for index, problem in enumerate(PROBLEMS):
        with torch.inference_mode():
            logits = model.eval()(**model_inputs(processor, [problem], instruct=False, begin=BEGIN)).logits[0, -1]
        probabilities = logits.softmax(-1).tolist()
        for name in WAYS.names:
            assert found.shares[name][index].item() == pytest.approx(probabilities[tokens[name]], rel=1e-4)
        entropy = -sum(p * math.log(p) for p in probabilities if p > 0)
        assert found.entropy[index].item() == pytest.approx(entropy, rel=1e-4)
    assert found.known == pytest.approx(sum(share.mean().item() for share in found.shares.values()), rel=1e-5)


def test_an_answer_that_is_begun_goes_on_from_there(model, processor):
    problem = PROBLEMS[:1]
    (whole,) = answer_problems(model, processor, problem, greedy=True, max_new_tokens=4, begin="<think>look")[0]
    assert whole.text.startswith("<think>look")
    assert whole.length <= 4
    inputs = model_inputs(processor, problem, instruct=False, begin="<think>look")
    expected = model.generate(**inputs, do_sample=False, max_new_tokens=4)[0, inputs["input_ids"].shape[1] :]
    assert whole.text == "<think>look" + processor.decode(expected, skip_special_tokens=True)


def test_ways_that_begin_with_one_token_are_refused(processor):
    with pytest.raises(ValueError, match="begins two of them with one token"):
        way_tokens(processor, Ways(sound="xylo", shortcut="xenon"))
