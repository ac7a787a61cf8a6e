"""``numab policy explain``."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("words, first", [
    (["bind:0,1 static"], "bind=static:0-1 (a task's own"),
    (["bind:0,1", "static", "lazy"], "bind=static:0-1, lazy (of a range"),
    (["--interleave=all"], "interleave:0-1 ("), (["-i", "1"], "interleave:1 ("),
    (["--membind=0,1"], "bind:0-1 ("), (["--preferred=1"], "prefer:1 ("), (["-l"], "local ("),
    (["--localalloc"], "local ("), (["mpol=interleave"], "interleave:0-1 (of a tmpfs mount"),
    (["MPOL_BIND:1"], "bind:1 ("),
])
def test_three_syntaxes(numab, words, first):
    ran = numab("policy", "explain", *words, "--machine", "2s")
    assert (ran.code, ran.err) == (0, "") and ran.out.startswith(first)


@pytest.mark.parametrize("words, era, first, note", [
    (["--balancing", "--membind=0"], "v6.1", "bind=balancing:0", None),
    (["--membind=0", "-b"], "v6.1", "bind=balancing:0", "refuses --balancing behind a policy"),
    (["-b", "-m", "0"], "v3.8", "bind:0", "numactl just binds"),
    (["-b", "-i", "0"], "v6.1", "interleave:0", "with --membind only"),
])
def test_what_numactl_makes_of_balancing(numab, words, era, first, note):
    out = numab("policy", "explain", *words, "--machine", "2s", "--era", era).out
    assert out.startswith(first + " (") and (note is None or note in out)


def test_one_running_node_and_weights(numab):
    of_cpu = numab("policy", "explain", "local", "--machine", "2s", "--cpu", "9").out
    assert of_cpu == numab("policy", "explain", "local", "--machine", "2s", "--node", "1").out
    assert "node 1: 1 0, until" in of_cpu and "node 0:" not in of_cpu
    out = numab("policy", "explain", "-w", "0,1", "--machine", "2s", "--era", "v6.12",
                "--weights", "0=2,1=1").out
    assert "in turn 0 0 1, by" in out


def test_exit_code_1_when_that_kernel_refuses(numab):
    ran = numab("policy", "explain", "-P", "0", "--machine", "2s", "--era", "v2")
    assert ran.code == 1 and "v2     EINVAL" in ran.out


@pytest.mark.parametrize("words, message", [
    ([], "no policy, or two, permitted: POLICY, or numactl's options"),
    (["local", "-l"], "no policy, or two"),
    (["-l", "-i", "0"], "word '-i=0'"),
    (["nonsense"], "policy 'nonsense', permitted: MODE"),
    (["bind"], "policy BIND with nodes (), permitted: at least one node"),
    (["mpol=bind"], "no nodes in mpol='bind'"),
    (["-b"], "--balancing goes with a policy"),
    (["local", "--node", "7"], "running node 7, permitted: [0, 1]"),
    (["local", "--cpu", "99"], "CPU 99, permitted"),
    (["local", "--cpu", "0", "--node", "0"], "--node and --cpu, permitted: one of them"),
    (["-w", "0", "--era", "v6.12", "--weights", "0:3"], "weight '0:3', permitted: NODE=WEIGHT"),
    (["local", "--era", "v9"], "invalid choice: 'v9'"),
])
def test_bad_input_is_one_line(refused, words, message):
    assert message in refused("policy", "explain", *words, "--machine", "2s")
