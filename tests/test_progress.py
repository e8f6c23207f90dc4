"""Progress bars are for people: a log file gets none."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WALK = "from tbpsbench.progress import progress_bar\nprint(list(progress_bar(range(3), total=3, what='walking'{})))"
# A package that draws bars of its own, within a tool.
OTHER = "from tbpsbench.cli import run_tool\ndef main():\n from tqdm import tqdm\n list(tqdm(range(3)))\nrun_tool(main)"


def run(code, **streams):
    plain = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=plain, check=True, **streams)


def on_a_terminal(code):
    """What a program writes to a standard error that is a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    run(code, stderr=slave, stdout=subprocess.DEVNULL)
    os.close(slave)
    written = b""
    try:
        while part := os.read(master, 1 << 16):
            written += part
    except OSError:  # Linux' way of saying that the other end is closed
        pass
    os.close(master)
    return written.decode()


def test_a_bar_is_drawn_on_a_terminal_alone(tmp_path):
    assert "walking: 100%" in on_a_terminal(WALK.format(""))
    assert on_a_terminal(WALK.format(", shown=False")) == ""
    with (tmp_path / "log").open("w") as log:
        done = run(WALK.format(""), stderr=log, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "[0, 1, 2]\n"
    assert (tmp_path / "log").read_text() == ""


def test_other_packages_draw_none_into_a_log_of_a_tool():
    assert run(OTHER, stderr=subprocess.PIPE).stderr == b""
    assert "3/3" in on_a_terminal(OTHER)


def test_one_module_alone_decides():
    files = [path for folder in ("tbpsbench", "tools") for path in (ROOT / folder).rglob("*.py")]
    users = {path.name for path in files if re.search(r"^\s*(from|import) tqdm", path.read_text(), re.M)}
    assert users == {"progress.py"}


def test_a_tool_that_decodes_images_writes_nothing_to_its_log(mini, tmp_path):
    code = (
        "from tbpsbench.annotations import read_annotations\n"
        "from tbpsbench.data.cache import build_cache\n"
        "from tbpsbench.data.verify import check_images\n"
        f"found = read_annotations({str(mini / 'tiny-0/human.jsonl')!r})\n"
        f"build_cache(found, (16, 8), cache_dir={str(tmp_path)!r})\n"
        "assert check_images(found.image_root, [r.file for r in found.records][:3]) == []\n"
    )
    assert run(code, stderr=subprocess.PIPE).stderr == b""
