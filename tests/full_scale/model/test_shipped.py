"""The checkpoints that come with the project: which there are, and which reads which world."""

import json

import pytest

from full_scale.data import load_problems
from full_scale.model.processor import load_processor, reads_pictures
from full_scale.model.shipped import MODEL_OF_WORLD, SHIPPED_MODELS


def test_every_folder_of_weights_has_a_name_and_every_name_a_folder():
    room = SHIPPED_MODELS["tiny"].parent
    assert sorted(SHIPPED_MODELS.values()) == sorted(path.parent for path in room.glob("*/model.safetensors"))
    for folder in SHIPPED_MODELS.values():
        assert (folder / "tokenizer.json").is_file()
        assert json.loads((folder / "config.json").read_text())["architectures"]


def test_every_generated_world_has_the_model_that_was_warmed_up_on_it():
    names = {folder: name for name, folder in SHIPPED_MODELS.items()}
    assert {world: names[folder] for world, folder in MODEL_OF_WORLD.items()} == {
        "rendered": "tiny",
        "word_problems": "tiny-text",
        "pipelines": "tiny-code",
        "shortcut": "tiny-shortcut",
    }


@pytest.mark.parametrize("world", MODEL_OF_WORLD)
def test_a_worlds_model_knows_every_word_of_it_and_its_pictures(world):
    folder = MODEL_OF_WORLD[world]
    problems = load_problems(world, split="test", limit=20)
    processor = load_processor(folder)
    tokenizer = getattr(processor, "tokenizer", processor)
    for problem in problems:
        text = f"{problem.question} {problem.solution}"
        assert tokenizer.unk_token_id is None or tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert reads_pictures(folder) == bool(problems[0].images)
