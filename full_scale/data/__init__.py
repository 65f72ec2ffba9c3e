"""Data sets: `load_problems` gives the problems of any known layout, `expert_response` an expert's response.

A new data set is one file with a `Schema`, and one line in `DATASETS`. One's own table needs neither: see `generic`.
"""

from full_scale.data.experts import expert_response
from full_scale.data.loading import DATASETS, MissingSplitError, find_schema, load_problems
from full_scale.data.schema import Request, Schema
from full_scale.problems.quarantine import Quarantine

__all__ = [
    "DATASETS",
    "MissingSplitError",
    "Quarantine",
    "Request",
    "Schema",
    "expert_response",
    "find_schema",
    "load_problems",
]
