"""What happens in the forked process: a Python source runs as __main__, then the process ends."""

import atexit
import builtins
import gc
import io
import marshal
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import NoReturn

OUT_OF_MEMORY = signal.SIGUSR1  # how an uncaught MemoryError ends the process
CRASHED_AT_EXIT = 120  # CPython's own code when the last flush fails
ARGV = "main.py"

Entry = Callable[[int], NoReturn]  # runs what a descriptor holds


def run_source(handle: int) -> NoReturn:
    """Run the UTF-8 source in a file as `python main.py` would; the process ends with it."""
    _run(_compile, handle)


def run_compiled(handle: int) -> NoReturn:
    """As run_source, for a file that compile_to_output wrote."""
    _run(marshal.loads, handle)


def compile_to_output(handle: int) -> NoReturn:
    """Write the marshalled code of a source to standard output; exit code 0 says it is whole."""
    code = 1
    try:
        with open(1, "wb", closefd=False) as output:
            output.write(marshal.dumps(_compile(_read(handle))))
        code = 0
    finally:
        os._exit(code)


def _run(load: Callable[[bytes], types.CodeType], handle: int) -> NoReturn:
    code = 1
    try:
        code = _finish(_execute(load, handle))
    except MemoryError:
        os.kill(os.getpid(), OUT_OF_MEMORY)
    finally:
        os._exit(code)


def _read(handle: int) -> bytes:
    content = os.pread(handle, os.fstat(handle).st_size, 0)
    os.close(handle)
    return content


def _compile(source: bytes) -> types.CodeType:
    return compile(source, ARGV, "exec", dont_inherit=True)


def make_streams() -> None:
    """Give this process the standard streams that its forks will use; they are empty yet."""
    sys.stdin = sys.__stdin__ = _stream(0, "r", "<stdin>", "strict")
    sys.stdout = sys.__stdout__ = _stream(1, "w", "<stdout>", "strict")
    sys.stderr = sys.__stderr__ = _stream(2, "w", "<stderr>", "backslashreplace")


def _stream(handle: int, mode: str, name: str, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(handle, mode, closefd=False)
    raw.name = name
    buffer = io.BufferedReader(raw, 1 << 16) if mode == "r" else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(buffer, "utf-8", errors, line_buffering=handle == 2)
    stream.mode = mode
    return stream


def _fresh_main() -> types.ModuleType:
    """Arguments, `exit` and a module as a new interpreter has them."""
    sys.argv = [ARGV]
    builtins.exit = builtins.quit = sys.exit  # site gives them elsewhere; it is not loaded here
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __file__=ARGV, __annotations__={})
    sys.modules["__main__"] = module
    return module


def _execute(load: Callable[[bytes], types.CodeType], handle: int) -> int:
    module = _fresh_main()
    try:
        code = load(_read(handle))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        _report(sys.exc_info(), own_frames=1)
        return 1
    try:
        exec(code, module.__dict__)
    except SystemExit as stop:
        return _exit_code(stop.code)
    except BaseException:
        error = sys.exc_info()
        _report(error, own_frames=1)
        if issubclass(error[0], MemoryError):
            raise
        return 130 if issubclass(error[0], KeyboardInterrupt) else 1
    return 0


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 255
    print(code, file=sys.stderr)
    return 1


def _report(error: tuple, own_frames: int) -> None:
    """Print a traceback the way the interpreter does, from the program's first frame on."""
    trace = error[2]
    for _ in range(own_frames):
        trace = trace and trace.tb_next
    try:
        sys.excepthook(error[0], error[1].with_traceback(trace), trace)
    except BaseException as failure:  # the hook is the program's: it may do anything
        sys.__excepthook__(type(failure), failure, failure.__traceback__)


def _finish(code: int) -> int:
    """The end of an interpreter: threads are awaited, exit functions run, streams flushed."""
    try:
        if threading := sys.modules.get("threading"):  # costly to have in every fork
            threading._shutdown()
        atexit._run_exitfuncs()
        code = _flush() or code
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        del sys.modules["__main__"]
        gc.collect()  # closes, and so flushes, files that only the program's names hold
        return _flush() or code
    except SystemExit as stop:
        return _exit_code(stop.code)


def _flush() -> int:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
    except Exception:
        return CRASHED_AT_EXIT
    return 0
