"""What every test relies on."""

import signal


def pytest_configure():
    """Listen to Ctrl-C also where the tests were started in the background.

    A shell starts such a job with SIGINT ignored, and every process that a test starts would inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
