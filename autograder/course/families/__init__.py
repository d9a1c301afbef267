"""Kinds of networks, and what a homework asks of one of that kind: a module each.

Check modules of that kind read it; the rest of the kit knows no kind, but for what `Family` says of all of them.
"""


class Family:
    """What is asked of a network of some kind."""

    @property
    def tells_initial_values(self) -> bool:
        """Whether it says how weights start."""
        return False

    @property
    def compares_answers(self) -> bool:
        """Whether a network's answers are compared with the solution's, with equal weights at equal places."""
        return False
