"""train.py with a colocated vLLM on a CPU: what TRL needs there that vLLM does for GPUs only.

TRL writes new weights into vLLM's layers; on a CPU vLLM packs those for oneDNN and empties them, which is left out.
It compiles nothing, and reads no videos, to start sooner.
"""

import sys
from functools import partial

from trl.generation import vllm_generation
from vllm import _custom_ops

from full_scale.train import main

_custom_ops._supports_onednn = False
vllm_generation.LLM = partial(vllm_generation.LLM, enforce_eager=True, limit_mm_per_prompt={"video": 0})

if __name__ == "__main__":
    main(sys.argv[1:])
