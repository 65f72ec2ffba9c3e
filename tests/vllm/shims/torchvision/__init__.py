"""torchvision beside a CPU-only torch: its compiled part does not load there, its Python part asks for two
operators alone.

With this folder on PYTHONPATH ``import torchvision`` gives the installed one.
"""

import importlib
import sys
from pathlib import Path

import torch

for operator in ("nms", "qnms"):
    torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
here = str(Path(__file__).parents[1])
others = [place for place in sys.path if place != here]
kept, sys.path[:] = list(sys.path), others
del sys.modules[__name__]
importlib.import_module(__name__)
sys.path[:] = kept
