"""The two tiny checkpoints that come with the project; made by ``full_scale/pretrain.py``."""

from pathlib import Path

TINY_MODEL = Path(__file__).parent / "tiny_qwen2_5_vl"
TINY_TEXT_MODEL = Path(__file__).parent / "tiny_qwen2"
SHIPPED_MODELS = {"tiny": TINY_MODEL, "tiny-text": TINY_TEXT_MODEL}
"""Name of a shipped checkpoint -> its folder."""
