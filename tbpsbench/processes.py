"""Processes that end with the one that started them, however that one ends: nothing trains on after a `kill -9`.

On Linux the kernel sees to it (PR_SET_PDEATHSIG); elsewhere a thread looks for the parent twice a second. The kernel
takes the starting thread for the parent, so that thread must wait for its children; ours do.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

STARTED_BY = "TBPSBENCH_STARTED_BY"
PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.5
ASKED_AGAIN = 10  # times: a torchrun that is being killed is gone long before


def child_environment() -> dict[str, str]:
    """The environment for a program whose `run_tool` is to end with this process."""
    return {**os.environ, STARTED_BY: str(os.getpid())}


def end_with_starter() -> None:
    """Let this program end with the process that gave it `child_environment`, or else with torchrun.

    Does nothing in a program that was started in another way.
    """
    if (starter := os.environ.pop(STARTED_BY, None)) is not None:
        _follow(int(starter))
    elif "TORCHELASTIC_RUN_ID" in os.environ:
        _follow(os.getppid())
        if _agent_is_gone():
            _end()
        threading.Thread(target=_ask_again, daemon=True).start()


def end_with_parent(_worker: int = 0) -> None:
    """Let a process of `multiprocessing` end with its parent: the `worker_init_fn` of a loader.

    A loader's worker by itself looks for its parent only every five seconds.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    if os.getppid() != parent.pid and parent.is_alive():
        # Of the start method "forkserver": the kernel knows this process as a child of that server.
        threading.Thread(target=_outlive, args=(parent,), daemon=True).start()
    else:
        _follow(parent.pid)


def _follow(parent: int) -> None:
    if not (sys.platform == "linux" and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0):
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        _end()  # it had ended before the kernel was told


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    _end()


def _outlive(parent: BaseProcess) -> None:
    parent.join()
    _end()


def _ask_again() -> None:
    """Look for a torchrun that was being killed as this program started: its store answers until its last thread ends.

    By then the kernel may have given this program to init, which is all that it can see of that.
    """
    for _ in range(ASKED_AGAIN):
        time.sleep(POLL_SECONDS)
        if _agent_is_gone():
            _end()


def _agent_is_gone() -> bool:
    """Whether torchrun ended before this process could follow it: its store, which listens from the start, does not."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or os.environ.get("GROUP_RANK") != "0":
        return False  # the store is elsewhere
    try:
        with socket.create_connection((os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])), timeout=5):
            return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False  # slow or filtered: no proof


def _end() -> NoReturn:
    os._exit(1)
