"""What a process started ends with it, though it is killed with SIGKILL."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import uuid

import pytest
from survivors import alive, marked, orphans

from tbpsbench.processes import STARTED_BY

TOOL = """
    import time
    from tbpsbench.cli import run_tool
    run_tool(lambda: time.sleep(60))
"""
STARTER = f"""
    import subprocess, sys, time
    from tbpsbench.processes import child_environment
    command = [sys.executable, "-c", {textwrap.dedent(TOOL)!r}]
    children = [subprocess.Popen(command, env=child_environment()) for _ in range(2)]
    time.sleep(60)
"""
LOADER = """
    import sys, time
    import torch
    from torch.utils.data import DataLoader
    from tbpsbench.processes import end_with_parent
    method = {"multiprocessing_context": sys.argv[1]} if sys.argv[1:] else {}
    loader = DataLoader(torch.arange(64), num_workers=2, worker_init_fn=end_with_parent, **method)
    for _ in loader:
        print("loaded", flush=True)
        time.sleep(60)
"""


def family(code, members, *, by=()):
    """Start a program and wait until it has `members` processes: (process, mark)."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, *by, *([] if by else ["-c", textwrap.dedent(code)])],
        env=marked(mark), stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(alive(mark)) < members:
        assert process.poll() is None
        assert time.monotonic() < deadline, alive(mark)
        time.sleep(0.05)
    return process, mark


@pytest.mark.parametrize(("code", "members"), [(STARTER, 3), (LOADER, 3)], ids=["programs", "loader"])
def test_children_end_within_three_seconds_of_a_kill(code, members):
    process, mark = family(code, members)
    process.kill()
    process.wait()
    assert orphans(mark) == {}


def test_workers_of_a_fork_server_load_and_end_with_who_asked_for_them():
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOADER), "forkserver"],
        env=marked(mark), stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == b"loaded\n"
    assert len(alive(mark)) >= 4  # the server is one, too
    process.kill()
    process.communicate()
    assert orphans(mark) == {}


@pytest.fixture
def torchrun(tmp_path):
    """Start two ranks that would sleep for a minute: (torchrun's process, mark)."""
    script = tmp_path / "ranks.py"
    script.write_text(textwrap.dedent(TOOL))

    def start(members):
        by = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
        return family("", members, by=by)

    return start


@pytest.mark.parametrize("members", [2, 3], ids=["starting", "running"])
def test_ranks_end_with_a_killed_torchrun_even_while_they_start(torchrun, members):
    process, mark = torchrun(members)
    process.kill()
    process.wait()
    assert orphans(mark) == {}


def test_all_ranks_end_with_one_that_is_killed(torchrun):
    process, mark = torchrun(3)
    rank = next(pid for pid in alive(mark) if pid != process.pid)
    os.kill(rank, signal.SIGKILL)
    assert process.wait(timeout=60) != 0
    assert orphans(mark) == {}


@pytest.mark.parametrize("dies", [True, False])
def test_a_rank_ends_with_a_torchrun_whose_store_answered_for_the_last_time(dies):
    # The parent is this process and lives, as init does; all that a rank has to go by is the store.
    with socket.create_server(("localhost", 0)) as store:
        store.settimeout(60)
        rank = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(TOOL)],
            env={
                **os.environ, "TORCHELASTIC_RUN_ID": "a", "TORCHELASTIC_USE_AGENT_STORE": "True", "GROUP_RANK": "0",
                "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.getsockname()[1]),
            },
        )  # fmt: skip
        try:
            asked, _ = store.accept()
            asked.close()
            if dies:
                store.close()
                assert rank.wait(timeout=30) == 1
            else:
                with pytest.raises(subprocess.TimeoutExpired):
                    rank.wait(timeout=2)
        finally:
            rank.kill()
            rank.wait()


def test_a_program_whose_starter_has_ended_before_it_ran_ends_at_once():
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TOOL)],
        env={**os.environ, STARTED_BY: ended.stdout.strip()},
        timeout=30,
        check=False,
    )
    assert done.returncode == 1


def test_programs_do_not_hand_on_whom_to_follow():
    code = f"import os; from tbpsbench.cli import run_tool; run_tool(lambda: print({STARTED_BY!r} in os.environ))"
    environment = {**os.environ, STARTED_BY: str(os.getpid())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
