"""What a step's arguments are chosen from, for hypothesis and for a plain random walk alike."""

from hypothesis import strategies as st


class Among:
    """One of some items; hypothesis shrinks towards the first."""

    def __init__(self, *items):
        self.items = items

    def strategy(self):
        return st.sampled_from(self.items)

    def random(self, rng):
        return rng.choice(self.items)


class Number:
    """An integer in [low, high]; a random walk takes small ones more often."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def strategy(self):
        return st.integers(self.low, self.high)

    def random(self, rng):
        high = rng.choice((self.high, min(self.high, self.low + 40)))
        return rng.randint(self.low, high)


class Several:
    """A list of choices."""

    def __init__(self, choice, fewest, most):
        self.choice, self.fewest, self.most = choice, fewest, most

    def strategy(self):
        return st.lists(self.choice.strategy(), min_size=self.fewest, max_size=self.most)

    def random(self, rng):
        return [self.choice.random(rng) for _ in range(rng.randint(self.fewest, self.most))]


def step(weight=1, when=None, **choices):
    """Mark a method as a step: how often a random walk takes it, when it may run, its arguments."""
    def mark(method):
        method.step_weight, method.step_when, method.step_choices = weight, when, choices
        return method
    return mark


def steps_of(cls):
    """The steps of a class by name."""
    methods = {name: getattr(cls, name) for name in sorted(dir(cls))}
    return {name: method for name, method in methods.items() if hasattr(method, "step_choices")}
