"""The command is stopped, or its reader goes away, while it works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from .conftest import TINY

#: Says «ready» when main() is about to start: before that a Python start-up is interrupted, not us.
READY = ("import sys; from numab.cli import main; print('ready', file=sys.stderr, flush=True); "
         "sys.exit(main())")
ENDLESS = {
    "replay": ("replay", TINY, "--machine", "2s", "--duration", "1000h", "--json", "out.json"),
    "run": ("run", "private", "--machine", "2s", "--duration", "1000h", "--json", "out.json"),
    "why": ("why", TINY, "--machine", "2s", "--duration", "1000h", "--page", "0x400001c"),
}


def start(words, folder, **options):
    process = subprocess.Popen(
        [sys.executable, "-c", READY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=folder, **options,
    )
    assert process.stderr.readline() == "ready\n"
    return process


@pytest.mark.parametrize("command, more", [
    ("replay", ()), ("replay", ("--workers", "2")), ("run", ()), ("run", ("--workers", "2")),
    ("why", ()),
])
def test_the_interrupt_key(tmp_path, command, more):
    """One line, exit code 2, nothing written; within seconds, though 1000 hours were asked for."""
    process = start((*ENDLESS[command], *more), tmp_path)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert err == "numab: interrupted; nothing was written\n"
    assert os.listdir(tmp_path) == []


def test_the_interrupt_key_reaches_workers_too(tmp_path):
    """A terminal signals the whole process group: the workers leave the answer to their parent."""
    process = start((*ENDLESS["replay"], "--workers", "2"), tmp_path, start_new_session=True)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert err == "numab: interrupted; nothing was written\n"


def test_workers_end_with_their_parent(tmp_path):
    """They hold the pipes open: these end, when the parent is killed, only with the workers."""
    process = start((*ENDLESS["replay"], "--workers", "2"), tmp_path)
    time.sleep(0.5)
    process.kill()
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("words", [("tunables",), ENDLESS["replay"][:4] + ("--loops", "1")])
def test_a_reader_that_goes_away_is_no_error(tmp_path, words):
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run([sys.executable, "-m", "numab.cli", *words, *(
        ("--json", "out.json") if words[0] == "replay" else ())],
        stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60)
    os.close(writer)
    assert ran.returncode == 0
    assert ran.stderr in ("", "numab: wrote out.json\n")
    assert (tmp_path / "out.json").exists() == (words[0] == "replay")


def test_a_full_disk_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        ran = subprocess.run([sys.executable, "-m", "numab.cli", "tunables"], stdout=full,
                             stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60)
    assert (ran.returncode, ran.stderr) == (2, "numab: No space left on device\n")
    ran = subprocess.run([sys.executable, "-m", "numab.cli", "compare", "numa02", "--machine", "2s",
                          "--memory", "1M", "--work", "20ms", "--policies", "off", "--json",
                          "/dev/full"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stderr.endswith("numab: /dev/full: No space left on device\n")


def test_a_closed_stdout_is_no_error(tmp_path):
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    ran = subprocess.run([sys.executable, "-c", code, "-m", "numab.cli", "topo"],
                         stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
