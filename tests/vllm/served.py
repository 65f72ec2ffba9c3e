"""train.py with a vLLM server on a CPU, as far as that goes: weights are handed over by NCCL alone, here they are not.

The first update's sampler is the policy; from the second on it is a stale one, and the run must warn of that.
"""

import sys

from trl.generation.vllm_client import VLLMClient

from full_scale.run import engines
from full_scale.train import main

engines._check_without_gpu = lambda *_: None
VLLMClient.init_communicator = lambda *_, **__: None
VLLMClient.update_named_params = lambda *_, **__: None

if __name__ == "__main__":
    main(sys.argv[1:])
