"""The tests can be started in the background: Ctrl-C and the end of a terminal reach the processes that they start."""

import subprocess
import sys
from pathlib import Path

ASKED = "import signal; print(*(signal.getsignal(n) is h for n, h in {}))"
"""What a process says of its handlers: whether each is the one that is expected."""
IGNORED = ASKED.format("((signal.SIGINT, signal.SIG_IGN), (signal.SIGHUP, signal.SIG_IGN))")
LISTENS = ASKED.format("((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL))")

SESSION = f"""
import runpy, subprocess, sys
{IGNORED}
sys.stdout.flush()
runpy.run_path(sys.argv[1])["pytest_configure"]()
subprocess.run([sys.executable, "-S", "-c", {LISTENS!r}], check=True)
"""


def test_what_a_job_in_the_background_ignores_its_tests_do_not():
    command = [sys.executable, "-c", SESSION, str(Path(__file__).with_name("conftest.py"))]
    ignoring = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", *command]  # as `nohup ... &` in a script leaves it
    done = subprocess.run(ignoring, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["True True", "True True"]
