"""The path that users of real checkpoints take: a folder read by AutoModel and AutoProcessor, with torchvision.

`make test-real-processor` runs this in an environment of its own with the registry's default torch and torchvision. The
model has Qwen2.5-VL's architecture and random weights; its processor is transformers' own `Qwen2_5_VLProcessor`, whose
video part needs torchvision. Here the whole of train.py and evaluate.py must run; nothing can be learnt in 3 steps.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torchvision", reason="the real processor needs torchvision: make test-real-processor")

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from full_scale.data import expert_response, load_problems
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor
from full_scale.model.prompting import PROMPT_SUFFIX, model_inputs
from full_scale.model.tiny import CHAT_TEMPLATE, build_model, build_tokenizer, tiny_config

ROOT = Path(__file__).parents[2]
GEOMETRY3K = ROOT / "tests" / "data" / "geometry3k"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    problems = load_problems(str(GEOMETRY3K), experts="answer_only")
    texts = [PROMPT_SUFFIX, *(problem.question + (expert_response(problem) or "") for problem in problems)]
    tokenizer = build_tokenizer(texts, vocabulary_size=700)
    pixels = {"shortest_edge": 56 * 56, "longest_edge": 168 * 168}
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=pixels),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT_TEMPLATE,
    )
    build_model(tiny_config(tokenizer, layers=2, width=32, heads=2), seed=0).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def run(script, *options):
    command = [sys.executable, str(ROOT / "full_scale" / script), *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_folder_is_read_by_the_auto_classes(checkpoint):
    assert type(AutoProcessor.from_pretrained(checkpoint)) is Qwen2_5_VLProcessor
    assert type(AutoModelForImageTextToText.from_pretrained(checkpoint)) is Qwen2_5_VLForConditionalGeneration
    assert type(load_processor(str(checkpoint))) is Qwen2_5_VLProcessor


def test_as_many_image_tokens_as_features(checkpoint):
    processor, model = load_processor(str(checkpoint)), load_model(str(checkpoint))
    problems = load_problems(str(GEOMETRY3K), split="test")
    inputs = model_inputs(processor, problems, instruct=True)
    tokens = (inputs["input_ids"] == model.config.image_token_id).sum()
    assert tokens == inputs["image_grid_thw"].prod(dim=1).sum() // 4
    with torch.inference_mode():
        assert model(**inputs).logits.isfinite().all()


@pytest.mark.parametrize("method", ["calibrl", "calibrl_released", "grpo"])
def test_three_updates_and_an_evaluation(checkpoint, method, tmp_path):
    trained, evaluated = tmp_path / "trained", tmp_path / "evaluated"
    options = ["--dataset", GEOMETRY3K, "--experts", "answer_only", "--method", method, "--instruct", "--steps", 3]
    options += ["--group-size", 4, "--prompts-per-step", 2, "--micro-batch-rows", 8, "--max-response-length", 64]
    options += ["--max-prompt-length", 1024, "--evaluate-problems", 3, "--learning-rate", "1e-3"]
    shown = run("train.py", "--model", checkpoint, "--out", trained, *options)
    assert "0 too long prompts, 0 too long experts, 0 experts that the verifier rejects" in shown
    metrics = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in metrics] == [1, 2, 3]
    before, after = (
        AutoModelForImageTextToText.from_pretrained(folder).state_dict() for folder in (checkpoint, trained)
    )
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    # wrong answers only: groups of equal rewards give grpo no gradient, and AdamW's weight decay alone moves weights
    assert moved
    assert type(load_processor(str(trained))) is Qwen2_5_VLProcessor

    options = ["--dataset", GEOMETRY3K, "--split", "test", "--instruct", "--samples", 2, "--max-response-length", 16]
    run("evaluate.py", "--model", trained, "--out", evaluated, *options)
    assert "geometry3k" in (evaluated / "results.json").read_text()
