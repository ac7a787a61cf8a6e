"""Every call that may run out of the host's memory, refused at every single request.

See ``alloc_fail.c``: the failed call leaves no trace, the same call with memory succeeds, the run
ends bit for bit as an undisturbed one, and nothing leaks.
"""


def test_every_request_refused_once(sanitized, run):
    word, requests = run(sanitized("alloc_fail.c")).split()
    assert word == "requests"
    assert int(requests) > 250  # the scenario still reaches what it is for
