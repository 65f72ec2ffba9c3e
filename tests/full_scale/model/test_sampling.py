"""A checkpoint's generation_config.json decides nothing but its special tokens."""

import json
import shutil

import pytest
from tiny import save_tiny_checkpoint
from transformers import GenerationConfig

from full_scale.data.rendered import rendered_problems
from full_scale.model.answers import answer_problems
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor
from full_scale.model.sampling import own_sampling, token_ids_only

PROBLEMS = rendered_problems(2, seed=0)
LEAKS = (
    {"temperature": 1e-6},
    {"top_p": 0.001},
    {"top_k": 1},
    {"repetition_penalty": 5.0},
    {"min_p": 0.9},
    {"no_repeat_ngram_size": 1},
    {"min_new_tokens": 6},
    {"num_beams": 3},
    {"suppress_tokens": list(range(300))},
    {"typical_p": 0.1},
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("model"))


def answers(model, processor):
    sampled = answer_problems(model, processor, PROBLEMS, max_new_tokens=6, samples=2)
    return sampled, answer_problems(model, processor, PROBLEMS, max_new_tokens=6, greedy=True)


@pytest.mark.parametrize("change", LEAKS, ids=lambda change: next(iter(change)))
def test_a_released_checkpoints_settings_change_no_answer(tmp_path, checkpoint, change):
    plain = load_model(checkpoint)
    processor = load_processor(checkpoint)
    wanted = answers(plain, processor)
    shutil.copytree(checkpoint, tmp_path / "copy")
    file = tmp_path / "copy" / "generation_config.json"
    config = json.loads(file.read_text()) | {"do_sample": True} | change
    file.write_text(json.dumps(config))
    assert answers(load_model(tmp_path / "copy"), processor) == wanted
    plain.generation_config = GenerationConfig(**config)  # a model that was loaded elsewhere
    assert answers(plain, processor) == wanted
    assert plain.generation_config.to_dict().items() >= change.items()  # put back


def test_special_tokens_stay():
    config = GenerationConfig(eos_token_id=[1, 2], pad_token_id=3, bos_token_id=4, temperature=0.2, top_k=3)
    plain = token_ids_only(config)
    assert (plain.eos_token_id, plain.pad_token_id, plain.bos_token_id) == ([1, 2], 3, 4)
    assert plain.to_diff_dict().keys() <= {"eos_token_id", "pad_token_id", "bos_token_id", "transformers_version"}


def test_the_configuration_is_put_back_after_an_error(checkpoint):
    model = load_model(checkpoint)
    former = model.generation_config = GenerationConfig(temperature=0.5)
    with own_sampling(model):
        assert model.generation_config.temperature != 0.5
    assert model.generation_config is former
    with pytest.raises(KeyError), own_sampling(model):
        raise KeyError
    assert model.generation_config is former
