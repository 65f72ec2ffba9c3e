"""Lets FSDP2 and DeepSpeed shard a model on CPUs, for tests alone; run as a script it is train.py.

transformers and accelerate read both engines' settings for accelerators only.
"""

import os
import subprocess
import sys
from pathlib import Path

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from trl import GRPOConfig

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONFIGURATIONS = ROOT / "full_scale" / "run" / "accelerate"


def shard_with_fsdp():
    """Without this accelerate takes no notice of FSDP's settings on a CPU."""
    original = AcceleratorState.__init__

    def sharding(self, *args, fsdp_plugin=None, **options):
        original(self, *args, fsdp_plugin=fsdp_plugin, **options)
        if fsdp_plugin is not None:
            self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = sharding


def shard_with_deepspeed():
    """Without this ``use_cpu`` makes accelerate start plain processes."""
    original = GRPOConfig.__post_init__

    def distributed(self):
        self.use_cpu, self.ddp_backend = False, "gloo"
        original(self)

    GRPOConfig.__post_init__ = distributed


def shard():
    """With the engine that accelerate's launcher was asked for."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        shard_with_fsdp()
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        shard_with_deepspeed()


def launch(configuration, script, *flags, **environment):
    """Start a script in two processes on this machine.

    Args:
        configuration: Name of a shipped configuration of accelerate; "ddp" is plain processes.
        script: Of this folder.
        flags: Its own.
        environment: Variables to add.
    """
    command = ["-m", "accelerate.commands.launch", "--config_file", CONFIGURATIONS / f"{configuration}.yaml"]
    command += ["--num_processes", 2, "--main_process_port", 0]
    if configuration == "ddp":
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    environment = {"PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(
        [sys.executable, *map(str, [*command, HERE / script, *flags])],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("[rank")]  # not what the launcher says of it
    assert done.returncode == 0, "\n".join([done.stdout[-2000:], *said[-40:]])


if __name__ == "__main__":
    from full_scale.train import main

    shard()
    main(sys.argv[1:])
