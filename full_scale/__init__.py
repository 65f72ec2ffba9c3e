"""GRPO training of a vision-language model with experts in the group, on transformers, TRL and calibrl_ref.

Nothing leaves the machine unless asked: TRL reports every trainer that is built, and transformers asks a service to
convert weights, unless they are told not to; HF_HUB_DISABLE_TELEMETRY=0 allows the reports again.
"""

import os
import sys

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
if _constants := sys.modules.get("huggingface_hub.constants"):  # imported before, it has read the environment already
    vars(_constants)["HF_HUB_DISABLE_TELEMETRY"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] != "0"
