"""Two models of one machine, driven together: the same calls, the same observations, compared."""

from oracle import OracleError, OracleMachine

FIRST_VPN, LAST_VPN = 0x10000, 0x10A00  # where the steps map memory


def outcome(model, operation, *args):
    """What a call gives: its result, or the code of its error."""
    try:
        return "result", getattr(model, operation)(*args)
    except OracleError as error:
        return "error", error.code


def differences(actual, expected):
    """The parts of two observations that differ."""
    if isinstance(expected, dict):
        return {key: f"{actual.get(key)}, expected {expected.get(key)}"
                for key in sorted(set(actual) | set(expected), key=str)
                if actual.get(key) != expected.get(key)}
    return f"{actual}, expected {expected}"


class Pair:
    """The oracle and one subject; ``calls`` records what was done to both."""

    disagreed = False

    def start(self, subject_class, config):
        self.config, self.calls = config, []
        self.oracle = OracleMachine(*config)
        self.subject = subject_class(*config)

    def both(self, operation, *args):
        """Do the same to both; they must agree.  None when the call failed."""
        self.calls.append((operation, *args))
        expected = outcome(self.oracle, operation, *args)
        actual = outcome(self.subject, operation, *args)
        self.agree(f"{operation}{args}", actual, expected)
        return expected[1] if expected[0] == "result" else None

    def same(self, what, *args):
        """One observation of both."""
        expected, actual = getattr(self.oracle, what), getattr(self.subject, what)
        if callable(expected):
            expected, actual = expected(*args), actual(*args)
        self.agree(f"{what}{args}", actual, expected)

    def agree(self, what, actual, expected):
        if actual != expected:
            self.disagreed = True
            raise AssertionError(f"{what}: {differences(actual, expected)}")

    def compare(self):
        """Everything observable; then the subject's own invariants."""
        for what in ("counters", "reasons", "access_matrix", "placed"):
            self.same(what)
        for nid in self.oracle.nodes:
            self.same("node_info", nid)
        for tid in self.oracle.tasks:
            self.same("task_info", tid)
            self.same("task_faults", tid)
        for pid in self.oracle.processes:
            self.same("mm_faults", pid)
            self.same("mm_node_pages", pid)
            self.compare_pages(pid)
        self.subject.check()
        self.oracle.check()

    def compare_pages(self, pid):
        """Every mapped page; and no page where the oracle has none."""
        mm = self.oracle.processes[pid].mm
        for vma in mm.vmas:
            self.same("page_nids", pid, vma.start, vma.end - vma.start)
            for vpn in mm.vpns_in(vma.start, vma.end):
                self.same("page", pid, vpn)

    def finish(self):
        """At the end also the entries that are absent, and that everything is given back."""
        if self.disagreed:
            return
        for pid in self.oracle.processes:
            for vpn in range(FIRST_VPN, LAST_VPN, 3):
                self.same("page", pid, vpn)
        for tid in list(self.oracle.tasks):
            self.both("exit", tid)
        self.compare()
