"""Prompts in, answers out: checkpoint, processor, prompting, sampled answers, the tiny models."""
