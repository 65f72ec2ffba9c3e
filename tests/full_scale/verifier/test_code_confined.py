"""One run in a confined CPython: its filter of system calls, decoded and followed step by step; its replies and limits.

That hostile programs get nowhere is tested in test_code.py, through the judge.
"""

import ctypes
import importlib
import json
import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from full_scale.verifier.code import confinable

SCRIPT = Path(__file__).parents[3] / "full_scale" / "verifier" / "code_confined.py"
needs_confinement = pytest.mark.skipif(not confinable(), reason="programs are confined in CPython on Linux x86-64 only")


@pytest.fixture(scope="module")
def confined():
    """The script as a module; as a script it puts its own folder on the path, which no other test shall see."""
    former = list(sys.path)
    yield importlib.import_module("full_scale.verifier.code_confined")
    sys.path[:] = former


class Kernel:
    """Stands for libc: keeps the filter that it is given, and refuses the calls that it is told to refuse."""

    def __init__(self, refused=()):
        self.refused, self.asked, self.steps = refused, [], []

    def __call__(self, *_, **__):
        return self

    def prctl(self, option, *given):
        self.asked.append(option)
        if option == 22:  # PR_SET_SECCOMP
            mode, header, *_ = given
            length, address = struct.unpack("HxxxxxxQ", header)
            assert mode == 2  # a filter
            self.steps = list(struct.iter_unpack("HBBI", ctypes.string_at(address, 8 * length)))
        return -1 if option in self.refused else 0

    def verdict(self, number, machine=0xC000003E):
        """What the filter says of a system call, followed as the kernel follows it."""
        value, place = None, 0
        while True:
            code, equal, other, constant = self.steps[place]
            if code == 0x20:  # load a word of (number, machine, ...)
                value = {0: number, 4: machine}[constant]
            elif code == 0x15:  # jump if equal
                place += equal if value == constant else other
            else:
                assert code == 0x06  # return
                return constant
            place += 1


@pytest.fixture
def kernel(confined, monkeypatch):
    """A kernel under which a process is confined that goes on as it was, and the limits that were set."""
    made, limits = Kernel(), {}
    monkeypatch.setattr(confined.ctypes, "CDLL", made)
    monkeypatch.setattr(confined.resource, "setrlimit", lambda what, values: limits.update({what: values}))
    confined.confine(memory=123_456, seconds=3)
    return made, limits


ALLOWED = {
    *(0, 1),  # read and write what is open
    *(9, 11, 12, 25, 28),  # memory
    *(13, 14, 15),  # handlers of signals
    *(60, 231),  # its end
    *(202, 228, 318),  # locks, the clock, random bytes
}
PASS, KILL, NOT_PERMITTED = 0x7FFF0000, 0x80000000, 0x00050000 | 1


def test_the_filter_passes_what_computing_needs_and_refuses_every_other_call(kernel):
    verdicts = {number: kernel[0].verdict(number) for number in range(600)}
    assert {number for number, verdict in verdicts.items() if verdict == PASS} == ALLOWED
    assert {verdict for number, verdict in verdicts.items() if number not in ALLOWED} == {NOT_PERMITTED}


def test_a_call_by_another_machines_numbers_ends_the_process(kernel):
    assert {kernel[0].verdict(number, machine=0x40000003) for number in range(600)} == {KILL}  # i386, by int 0x80
    assert kernel[0].verdict(0x40000000 + 2) == NOT_PERMITTED  # x32's open


def test_limits_come_with_it_and_rights_cannot_be_won_back(kernel):
    made, limits = kernel
    assert made.asked == [38, 22]  # no new privileges, then the filter
    assert limits == {
        resource.RLIMIT_AS: (123_456, 123_456),
        resource.RLIMIT_CPU: (3, 3),
        resource.RLIMIT_CORE: (0, 0),
    }


@pytest.mark.parametrize("refused", [38, 22])
def test_where_the_kernel_refuses_nothing_is_run(confined, monkeypatch, refused):
    monkeypatch.setattr(confined.ctypes, "CDLL", Kernel(refused={refused}))
    monkeypatch.setattr(confined.resource, "setrlimit", lambda *_: None)
    with pytest.raises(OSError, match="seccomp is not allowed here"):
        confined.confine(memory=2**30, seconds=1)


TWICE = "def f(x):\n    return 2 * x"


@pytest.mark.parametrize(
    ("program", "function", "given", "reply"),
    [
        (TWICE, "f", "4", ["value", ["int", "8"]]),
        ("def f(x, y):\n    return [y, x]", "f", "1, 'a'", ["value", ["list", [["str", "a"], ["int", "1"]]]]),
        ("def f():\n    return None", "f", " ", ["value", ["constant", None]]),
        ("class Solution:\n    def f(self, x):\n        return x + 1", "Solution.f", "4", ["value", ["int", "5"]]),
        ("print('no value')\ndef f(x):\n    print(x)\n    return x", "f", "1", ["value", ["int", "1"]]),
        ("print(int(input()) + 1)\nprint(input())", "", "4\na b", ["printed", "5\na b\n"]),
        ("if __name__ == '__main__':\n    print(__name__)", "", "", ["printed", "__main__\n"]),
        ("print(1)\nimport sys\nsys.exit(3)\nprint(2)", "", "", ["printed", "1\n"]),
        ("print('a' * 500_001, end='')", "", "", ["printed", "a" * 500_000]),
        ("import sys\nsys.exit(0)\n" + TWICE, "f", "4", ["error", "it raised SystemExit: 0"]),
        ("print(1)\n1 / 0", "", "", ["error", "it raised ZeroDivisionError: division by zero"]),
        ("def f():\n    raise ValueError('a' * 300)", "f", "", ["error", ("it raised ValueError: " + "a" * 300)[:200]]),
        ("def f():\n    raise KeyboardInterrupt", "f", "", ["error", "it raised KeyboardInterrupt: "]),
        ("def g(x):\n    return x", "f", "4", ["error", "it raised KeyError: 'f'"]),
    ],
)
def test_what_a_program_answers(confined, monkeypatch, program, function, given, reply):
    monkeypatch.setattr(sys, "stdin", sys.stdin)  # put back afterwards
    assert confined.answer(program, function, given) == reply


def replied(program, function="f", given="", **changes):
    """The reply of a real process, None where it ends without one."""
    limits = {"modules": [], "memory": 256 * 2**20, "seconds": 1, "depth": 200}
    request = {"program": program, "function": function, "given": given, **limits, **changes}
    command = [sys.executable, "-I", "-S", "-B", str(SCRIPT)]
    done = subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=False, env={}
    )
    return json.loads(done.stdout) if done.stdout else None


@needs_confinement
def test_a_process_replies_with_the_value():
    assert replied(TWICE, given="4") == ["value", ["int", "8"]]
    assert replied("print(input())", "", "a line") == ["printed", "a line\n"]


@needs_confinement
def test_only_the_modules_that_were_asked_for_are_there():
    program = "import colorsys\ndef f():\n    return colorsys.rgb_to_hls(0, 0, 0)[0]"
    assert replied(program, modules=["no_such_module", "colorsys"]) == ["value", ["float", "0.0"]]
    kind, why = replied(program)
    assert kind == "error"
    assert "Error" in why


@needs_confinement
def test_calls_may_be_as_deep_as_is_asked_for():
    program = "def f(x):\n    return 0 if x == 0 else 1 + f(x - 1)"
    assert replied(program, given="190") == ["value", ["int", "190"]]
    assert replied(program, given="290", depth=300) == ["value", ["int", "290"]]
    kind, why = replied(program, given="290")
    assert (kind, why.startswith("it raised RecursionError")) == ("error", True)


@needs_confinement
def test_memory_ends_where_it_is_asked_to_end():
    program = "def f():\n    return len(bytearray(128 * 2**20))"
    assert replied(program) == ["value", ["int", str(128 * 2**20)]]
    assert replied(program, memory=128 * 2**20) == ["error", "it raised MemoryError: "]


@needs_confinement
def test_a_value_that_cannot_be_written_is_an_error_of_one_line():
    cannot = ["error", "its value cannot be read"]
    assert replied("class E(Exception):\n    def __str__(self):\n        return 1 / 0\ndef f():\n    raise E") == cannot


@needs_confinement
def test_a_loop_without_end_leaves_no_reply():
    assert replied("def f():\n    while True:\n        pass") is None
