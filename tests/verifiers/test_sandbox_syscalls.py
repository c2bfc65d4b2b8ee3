"""The seccomp filter, run by an interpreter of its instructions, on both machines."""

import struct

import pytest

from distill.verifiers.sandbox.syscalls import (
    ABSENT,
    ALLOW,
    ARCHITECTURES,
    DENY,
    GUARDED,
    KILL,
    MISSING,
    PLAIN,
    build_filter,
)

PID = 4242
MACHINES = sorted(ARCHITECTURES)


def verdict(machine, number, *arguments, arch=None):
    """What the filter of a machine returns for a call; jumps and loads as in the kernel."""
    template = build_filter(machine)
    code = bytearray(template.code)
    for place in template.pid_offsets:
        struct.pack_into("=I", code, place, PID)
    audit_arch = ARCHITECTURES[machine][0] if arch is None else arch
    values = [*arguments, *[0] * (6 - len(arguments))]
    call = struct.pack("=IIQ6Q", number, audit_arch, 0, *(v & (1 << 64) - 1 for v in values))
    at, accumulator = 0, 0
    while True:
        operation, true, false, constant = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", call, constant)
        elif operation == 0x54:
            accumulator &= constant
        elif operation == 0x05:
            at += constant
        elif operation == 0x15:
            at += true if accumulator == constant else false
        elif operation == 0x35:
            at += true if accumulator >= constant else false
        else:
            assert operation == 0x06
            return constant


def number(machine, name):
    """The number of a call, None where the machine has none."""
    return (PLAIN | GUARDED | ABSENT)[name][ARCHITECTURES[machine][1]]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_the_verdict_of_its_table(machine):
    column = ARCHITECTURES[machine][1]
    plain = {numbers[column] for numbers in PLAIN.values()}
    missing = {numbers[column] for numbers in ABSENT.values()}
    guarded = {numbers[column] for numbers in GUARDED.values()}
    for n in range(700):
        if n not in guarded:
            expected = ALLOW if n in plain else MISSING if n in missing else DENY
            assert verdict(machine, n) == expected, n


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_is_in_two_tables(machine):
    column = ARCHITECTURES[machine][1]
    numbers = [n[column] for n in (PLAIN | GUARDED | ABSENT).values() if n[column] is not None]
    assert len(numbers) == len(set(numbers))
    assert len(PLAIN | GUARDED | ABSENT) == len(PLAIN) + len(GUARDED) + len(ABSENT)


@pytest.mark.parametrize("machine", MACHINES)
def test_other_architectures_kill(machine):
    for arch in (0x40000003, 0x40000028, 0, *(a for a, _ in ARCHITECTURES.values())):
        if arch != ARCHITECTURES[machine][0]:
            assert verdict(machine, 0, arch=arch) == KILL
    assert verdict(machine, 0x40000000) == KILL
    assert verdict(machine, 0xFFFFFFFF) == KILL


# call, arguments, passes, why
CALLS = [
    ("clone", (0x3D0F00,), True, "a thread of glibc"),
    ("clone", (0x7D0F00,), True, "a thread of musl"),
    ("clone", (17,), False, "fork"),
    ("clone", (0x4111,), False, "vfork"),
    ("clone", (0x3D0F00 | 0x10000000,), False, "a thread in a new user namespace"),
    ("clone", (0x3D0F00 | 1 << 32,), False, "flags in the upper half"),
    ("kill", (PID, 6), True, "itself"),
    ("kill", (PID + 1, 6), False, "another"),
    ("kill", (0, 9), False, "its group"),
    ("kill", (-1, 9), False, "all"),
    ("tgkill", (PID, PID, 6), True, "abort"),
    ("tgkill", (1, PID, 6), False, "another's thread"),
    ("prlimit64", (0, 7, 0, 1 << 40), True, "reads a limit"),
    ("prlimit64", (PID, 7, 0, 1 << 40), True, "reads its own limit by number"),
    ("prlimit64", (1, 7, 0, 1 << 40), False, "reads another's limit"),
    ("prlimit64", (0, 9, 1 << 40, 0), False, "sets a limit; the address has a lower half of 0"),
    ("prlimit64", (0, 9, 4096, 0), False, "sets a limit"),
    ("prlimit64", (0, 3, 4096, 0), True, "sets its stack limit"),
    ("prlimit64", (1, 3, 4096, 0), False, "sets another's stack limit"),
    ("ioctl", (0, 0x5401), True, "isatty"),
    ("ioctl", (0, 0x5412), False, "TIOCSTI: types into a terminal"),
    ("fcntl", (0, 1), True, "F_GETFD"),
    ("fcntl", (0, 8), False, "F_SETOWN"),
    ("fcntl", (0, 10), False, "F_SETSIG"),
    ("prctl", (15,), True, "names a thread"),
    ("prctl", (1,), False, "would outlive its parent"),
    ("ftruncate", (3, 0), True, "empties a file"),
    ("ftruncate", (3, 1), False, "makes a hole"),
    ("ftruncate", (3, 1 << 32), False, "a length in the upper half"),
    ("sendto", (3, 0, 9, 0, 0, 0), True, "no address"),
    ("sendto", (3, 0, 9, 0, 1 << 32, 16), False, "an address"),
    ("socketpair", (1, 0o2004001), True, "a stream pair"),
    ("socketpair", (1, 2), False, "a datagram pair"),
    ("socketpair", (2, 1), False, "another family"),
    ("openat", (-100, 0, 0o2000000), True, "reads"),
    ("openat", (-100, 0, 0o1101), True, "writes a new file"),
    ("openat", (-100, 0, 0o1002), True, "reads and writes a file anew"),
    ("openat", (-100, 0, 0o1000), False, "empties what it may only read"),
    ("openat", (-100, 0, 0o1003), False, "the same by an odd mode"),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "passes", "why"), CALLS)
def test_a_guarded_call_passes_only_in_its_harmless_forms(machine, name, arguments, passes, why):
    got = verdict(machine, number(machine, name), *arguments)
    assert got == (ALLOW if passes else DENY), why


def test_the_search_is_short():
    # the kernel walks a new filter once for every number; 4096 instructions are its most
    for machine in MACHINES:
        assert len(build_filter(machine).code) // 8 < 1000
