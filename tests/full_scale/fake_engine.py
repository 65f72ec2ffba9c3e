"""A sampling engine with vLLM's interface and habits, without vLLM: weights of its own, pictures expanded by itself."""

import copy

import torch

from full_scale.training.sampler import recorded


class FakeEngine:
    """Stands where TRL builds its ``VLLMGeneration``; it takes what TRL gives it."""

    def __init__(self, *, model, processing_class, temperature, max_completion_length, **_):
        self.policy, self.model = model, copy.deepcopy(model).eval()
        self.processor, self.generation_kwargs = processing_class, {}
        self.rules = {
            "do_sample": True,
            "temperature": temperature,
            "top_k": 0,
            "max_new_tokens": max_completion_length,
        }
        self.prompts, self.syncs = [], 0

    def sync_weights(self):
        self.model.load_state_dict(self.policy.state_dict())
        self.syncs += 1

    def expanded(self, ids, pictures):
        """As vLLM: the first image token of each picture becomes as many as it has features, what is left is text."""
        grid = self.processor.image_processor(pictures, return_tensors="pt")["image_grid_thw"]
        image, text = self.policy.config.image_token_id, self.policy.config.video_token_id
        counts = (grid.prod(dim=1) // self.processor.image_processor.merge_size**2).tolist()
        found, before = [], None
        for token in ids:
            begins = token == image and before != image
            found += [image] * counts.pop(0) if begins else [text if token == image else token]
            before = token
        return found

    def generate(self, prompts, images, num_generations, profiler):
        completions, log_probs = [], []
        for first in range(0, len(prompts), num_generations):  # copies of one prompt
            found, values = self.answered(self.expanded(prompts[first], images[first]), images[first], num_generations)
            completions += found
            log_probs += [[[value] for value in row] for row in values]
        return prompts, completions, log_probs, None

    def answered(self, ids, pictures, count):
        self.prompts.append(ids)
        (banned,) = self.generation_kwargs["logit_bias"]
        inputs = {"input_ids": torch.tensor([ids] * count)}
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == self.policy.config.image_token_id).long()
        inputs |= self.processor.image_processor(pictures * count, return_tensors="pt")
        with recorded(self.model, self.rules["temperature"]) as recording:
            rows = self.model.generate(**inputs, suppress_tokens=[banned], **self.rules)
        end, answers = self.processor.tokenizer.eos_token_id, rows[:, len(ids) :].tolist()
        answers = [row[: row.index(end) + 1] if end in row else row for row in answers]
        return answers, recording.of(answers)
