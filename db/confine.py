"""Runs a program as another user that can open only the given folders, and those of the system.

The limit is Linux's Landlock: it holds even if the program has the right to read every file. This
file runs as a script, before the program, so it uses only the standard library.
"""

import argparse
import ctypes
import os
import pwd
import struct
import sys
from collections.abc import Iterable

SYSTEM_FOLDERS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
SYSTEM_FILES = (
    "/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/nsswitch.conf",
    "/etc/passwd", "/dev/null", "/dev/urandom", "/dev/zero",
)  # fmt: skip
SHARED_MEMORY = "/dev/shm"  # noqa: S108 where Postgres keeps what its processes share

# linux/landlock.h; the numbers of the system calls are the same on every architecture
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
NEEDED_VERSION = 2  # the first that can allow renames between folders
ALL_RIGHTS = {
    2: (1 << 14) - 1,
    3: (1 << 15) - 1,
}  # by version; the newest known holds for later ones
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14
PR_SET_NO_NEW_PRIVS = 38


def landlock_version() -> int:
    """Version of the kernel's Landlock; 0 or less without it."""
    return int(_system_call(CREATE_RULESET, None, 0, VERSION_FLAG))


def can_confine() -> bool:
    return sys.platform == "linux" and landlock_version() >= NEEDED_VERSION


def confine_this_process(read_only: Iterable[str], writable: Iterable[str]) -> None:
    """Limits this process and its children to the folders. Raises OSError."""
    everything = ALL_RIGHTS[min(landlock_version(), max(ALL_RIGHTS))]
    attributes = struct.pack("=Q", everything)
    ruleset = _call_or_raise(CREATE_RULESET, attributes, len(attributes), 0)
    for path in (*SYSTEM_FOLDERS, *read_only):
        _allow_path(ruleset, path, EXECUTE | READ_FILE | READ_DIR)
    for path in SYSTEM_FILES:
        _allow_path(ruleset, path, READ_FILE | (WRITE_FILE if path.startswith("/dev") else 0))
    for path in (*writable, SHARED_MEMORY):
        _allow_path(ruleset, path, everything)
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call_or_raise(RESTRICT_SELF, ruleset, 0)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= OF_A_FILE
    try:
        _call_or_raise(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    finally:
        os.close(opened)


def _call_or_raise(number: int, *arguments: int | bytes) -> int:
    result = _system_call(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: system call {number}")
    return result


def _system_call(number: int, *arguments: int | bytes | None) -> int:
    return int(_libc.syscall(number, *arguments))


_libc = ctypes.CDLL(None, use_errno=True)


def become_user(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", help="run the program as this user")
    parser.add_argument("--read-only", action="append", default=[], metavar="FOLDER")
    parser.add_argument("--writable", action="append", default=[], metavar="FOLDER")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program, after `--`")
    arguments = parser.parse_args()
    program = arguments.command[1:]  # without the `--`
    if can_confine():
        confine_this_process(arguments.read_only, arguments.writable)
    if arguments.user:
        become_user(arguments.user)
    os.execvp(program[0], program)  # noqa: S606 no shell


if __name__ == "__main__":
    main()
