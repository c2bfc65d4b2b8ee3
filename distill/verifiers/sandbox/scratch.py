"""Folders that a hostile program filled: counted and removed without following anything."""

import contextlib
import itertools
import os
from collections import deque

BLOCK_BYTES = 512  # of st_blocks, on every file system


def measure_tree(path: str, most: int) -> tuple[int, int]:
    """How many files and folders lie below a folder, and their bytes; ends just above `most`.

    Bytes are those that are taken up: a mapped file grows without a call that writes. Folders that
    cannot be listed, too deep or closed, count as too many.
    """
    count, size_bytes, folders = 0, 0, deque([path])
    while folders and count <= most:
        try:
            with os.scandir(folders.popleft()) as entries:
                for entry in itertools.islice(entries, most + 1 - count):
                    count += 1
                    size_bytes += BLOCK_BYTES * entry.stat(follow_symlinks=False).st_blocks
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:  # the program has just removed it
            continue
        except OSError:
            return most + 1, size_bytes
    return count, size_bytes


def nameless_bytes(pid: int, device: int) -> int:
    """What files of a device take up that a process holds open and that have no name any more."""
    blocks: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for handle in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{handle}")
                if found.st_dev == device and not found.st_nlink:
                    blocks[found.st_ino] = found.st_blocks
    return BLOCK_BYTES * sum(blocks.values())


def remove_tree(path: str) -> None:
    """Remove a folder of any depth and any modes; nothing happens if it is not there.

    Every folder is emptied into the top one before it goes, so that neither the length of a path
    nor the number of open files limits the depth.
    Raises: OSError if something in it cannot be removed.
    """
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        lifted = 0
        while names := os.listdir(top):
            for name in names:
                lifted = _remove_entry(top, name, lifted)
    finally:
        os.close(top)
    os.rmdir(path)


def _remove_entry(top: int, name: str, lifted: int) -> int:
    try:
        os.unlink(name, dir_fd=top)
        return lifted
    except (IsADirectoryError, PermissionError):  # Linux, macOS
        os.chmod(name, 0o700, dir_fd=top)
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for inner in os.listdir(folder):
            lifted += 1
            _lift(folder, inner, top, f"{lifted}.lifted")
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)
    return lifted


def _lift(folder: int, name: str, top: int, new_name: str) -> None:
    with contextlib.suppress(IsADirectoryError, PermissionError):  # Linux, macOS
        os.unlink(name, dir_fd=folder)
        return
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:
        os.chmod(name, 0o700, dir_fd=folder)  # moving a folder writes in it
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=top)
