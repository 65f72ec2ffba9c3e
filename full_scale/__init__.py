"""GRPO training of vision-language models on geometry, with expert solutions in the groups."""
