"""Two ways through the steps: a hypothesis state machine, and plain random walks.

The state machine mutates and combines what it found interesting; a walk takes each step with the
weight it has and reaches rare states sooner.  When the models part, the recorded calls are
shortened until none can go.
"""

import random

from choices import steps_of
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from machine_steps import Steps
from pair import Pair

COMPARE_EVERY = 3


def state_machine(subject):
    """A RuleBasedStateMachine over all steps, against instances of the class @subject."""
    class MachineAgainstOracle(RuleBasedStateMachine, Steps):
        subject_class = subject
        oracle = None

        def agree(self, what, actual, expected):
            try:
                super().agree(what, actual, expected)
            except AssertionError as error:
                raise AssertionError(explain(self, error)) from None

        @invariant()
        def compare(self):
            if self.oracle:
                super().compare()

        def teardown(self):
            if self.oracle:
                self.finish()

        boot = initialize(**strategies(Steps.BOOT))(Steps.boot)

    for name, method in steps_of(Steps).items():
        decorated = rule(**strategies(method.step_choices))(method)
        if method.step_when:
            decorated = precondition(method.step_when)(decorated)
        setattr(MachineAgainstOracle, name, decorated)
    return MachineAgainstOracle


def strategies(choices):
    return {arg: choice.strategy() for arg, choice in choices.items()}


class Walk(Steps):
    """One random walk, fully determined by its seed."""

    def __init__(self, subject_class, seed):
        self.subject_class = subject_class
        self.rng = random.Random(seed)

    def arguments(self, choices):
        return {arg: choice.random(self.rng) for arg, choice in choices.items()}

    def go(self, nr_steps):
        self.boot(**self.arguments(self.BOOT))
        # Some steps sit out a whole walk, so that the others get further.
        steps = [method for method in steps_of(Steps).values() if self.rng.random() < 0.8]
        weights = [method.step_weight for method in steps]
        for number in range(nr_steps):
            method = self.rng.choices(steps, weights)[0]
            if method.step_when is None or method.step_when(self):
                method(self, **self.arguments(method.step_choices))
            if number % COMPARE_EVERY == 0:
                self.compare()
        self.finish()


def walk(subject_class, seed, nr_steps):
    """Walk; a difference is raised with the shortest list of calls that shows it."""
    this = Walk(subject_class, seed)
    try:
        this.go(nr_steps)
    except AssertionError as error:
        raise AssertionError(f"walk with seed {seed}: {explain(this, error)}") from None
    return this


def explain(pair, error):
    """The shortest program that shows a disagreement, ready to be pasted."""
    calls = shorten(pair.subject_class, pair.config, pair.calls)
    message = replay(pair.subject_class, pair.config, calls) or f"not repeatable: {error}"
    return "\n".join([message, f"config = {pair.config}", "calls = ["]
                     + [f"    {call}," for call in calls] + ["]"])


def replay(subject_class, config, calls):
    """Repeat recorded calls: what the models disagree about, or None."""
    pair = Pair()
    pair.start(subject_class, config)
    try:
        for call in calls:
            pair.both(*call)
        pair.compare()
        pair.finish()
    except AssertionError as error:
        return str(error)
    return None


def shorten(subject_class, config, calls):
    """Leave out calls, many at once first, as long as the models disagree about the same thing."""
    def about(message):
        return message and message.split("(")[0]

    what = about(replay(subject_class, config, calls))
    size = len(calls) if what else 0
    while size >= 1:
        start = 0
        while start < len(calls):
            fewer = calls[:start] + calls[start + size:]
            if about(replay(subject_class, config, fewer)) == what:
                calls = fewer
            else:
                start += size
        size //= 2
    return calls
