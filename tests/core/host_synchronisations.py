"""Count how often the host waits for the device: run on a CPU, from the operators that would wait on a GPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS = {
    "_local_scalar_dense",
    "is_nonzero",
    "nonzero",
    "equal",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}  # wait where an index is a mask


class HostSynchronisations(TorchDispatchMode):
    """Collects the names of the operators that make the host wait."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name().removeprefix("aten::").split(".")[0]
        by_mask = name in INDEXED and any(index is not None and index.dtype == torch.bool for index in args[1])
        by_count = name == "repeat_interleave" and "output_size" not in (kwargs or {})
        if name in WAITS or by_mask or by_count:
            self.names.append(name)
        return function(*args, **(kwargs or {}))
