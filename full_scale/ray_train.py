"""The same training with Ray Train: a worker for each process, on one machine or on all nodes of a Ray cluster.

python full_scale/ray_train.py 8 --preset qwen2.5-vl-7b --out /shared/run    # 8 workers; then train.py's own flags

A worker is what a process of ``accelerate launch`` is, with a GPU of its own where the cluster has GPUs. All nodes must
see the output folder. docs/scale.md says how a cluster is started.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

if __package__ in (None, ""):  # run as a script: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli import program
from full_scale.run.command_line import read_command_line
from full_scale.run.engines import check_installed
from full_scale.run.machine import check_shares

ROOT = Path(__file__).resolve().parents[1]


def work(flags: Sequence[str], folder: Path) -> None:
    """What a worker does: train.py, where the launcher was started."""
    from full_scale.train import main as train  # here: it is the workers that train

    os.chdir(folder)
    train(flags)


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the workers, and wait for them.

    Args:
        arguments: The number of workers, then train.py's command line; None reads ``sys.argv``.

    Raises:
        ValueError: The number of workers is missing, a flag does not fit, the workers cannot share an update, or
            Ray is not installed.
    """
    count, *flags = (sys.argv[1:] if arguments is None else arguments) or [""]
    if count in ("-h", "--help"):
        print(__doc__)
        return
    if not count.isdigit() or int(count) < 1:
        raise ValueError(f"workers={count!r}: expected their number first. Fix: ray_train.py 2 --preset tiny")
    check_shares(read_command_line(flags).settings, int(count))
    check_installed("ray")
    import ray
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    ray.init(runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}})
    scaling = ScalingConfig(num_workers=int(count), use_gpu=ray.cluster_resources().get("GPU", 0) >= int(count))
    TorchTrainer(partial(work, flags, Path.cwd()), scaling_config=scaling).fit()


if __name__ == "__main__":
    program.run(main)
