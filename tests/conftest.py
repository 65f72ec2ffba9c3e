"""What every test relies on, and what is costly to make: once, also where pytest runs in several processes."""

import os
import signal

import pytest
from filelock import FileLock


def pytest_configure():
    """Listen to Ctrl-C and to the terminal's end also where the tests were started in the background, or by nohup.

    Such a job has SIGINT or SIGHUP ignored, and every process that a test starts would inherit that.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """``once(name, make)``: a folder that ``make(folder)`` has filled, the same one in all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name, make):
        folder, finished = shared / name, shared / f"{name}.finished"
        with FileLock(shared / f"{name}.lock"):
            if not finished.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                finished.touch()
        return folder

    return made
