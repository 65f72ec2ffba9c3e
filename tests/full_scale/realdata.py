"""Where the public samples lie beside a checkout; tests of them are skipped where they are absent."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GEOMETRY3K = ROOT / "tests" / "data" / "geometry3k"
REAL_DATA = ROOT.parent / "shared" / "realdata"
needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the public samples in ../shared/realdata are not part of the repository"
)
