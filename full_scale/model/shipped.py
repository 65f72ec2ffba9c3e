"""The tiny checkpoints that come with the project; made by ``full_scale/pretrain.py``."""

from pathlib import Path

TINY_MODEL = Path(__file__).parent / "tiny_qwen2_5_vl"
TINY_TEXT_MODEL = Path(__file__).parent / "tiny_qwen2"
TINY_SHORTCUT_MODEL = Path(__file__).parent / "tiny_shortcut"
TINY_CODE_MODEL = Path(__file__).parent / "tiny_qwen2_code"
SHIPPED_MODELS = {
    "tiny": TINY_MODEL,
    "tiny-text": TINY_TEXT_MODEL,
    "tiny-code": TINY_CODE_MODEL,
    "tiny-shortcut": TINY_SHORTCUT_MODEL,
}
"""Name of a shipped checkpoint -> its folder."""

MODEL_OF_WORLD = {
    "rendered": TINY_MODEL,
    "word_problems": TINY_TEXT_MODEL,
    "pipelines": TINY_CODE_MODEL,
    "shortcut": TINY_SHORTCUT_MODEL,
}
"""Name of a generated data set -> the folder of the checkpoint that is warmed up on it."""
