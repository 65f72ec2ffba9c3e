"""A model with random weights, small enough that a training step takes a fraction of a second."""

from full_scale.data import expert_response
from full_scale.data.rendered import rendered_problems
from full_scale.model.tiny import build_model, build_processor, build_tokenizer, tiny_config


def tiny_processor():
    problems = rendered_problems(50, seed=0)
    return build_processor(build_tokenizer([problem.question + expert_response(problem) for problem in problems]))


def tiny_model(processor, seed=0):
    return build_model(tiny_config(processor.tokenizer, layers=2, width=32, heads=2), seed=seed)


def save_tiny_checkpoint(folder):
    processor = tiny_processor()
    tiny_model(processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
