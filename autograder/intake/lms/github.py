"""GitHub Classroom's repositories, cloned side by side: `hw1-inescarvalho/`, with `.git` inside.

What all names begin with, to a dash, is the assignment. Files have the clone's time and commits whatever time they were
given, so nobody is taken for late.
"""

from autograder.intake import names
from autograder.intake.file_tree import Node
from autograder.intake.lms.found import Attempt, Context, Found, Student, parted, title

FEW = 3  # clones that may begin with more than the assignment by chance: hw1-kim-a, hw1-kim-b


def file_part(node: Node, context: Context) -> int | None:
    """0 for a clone; None for anything else."""
    return 0 if node.kind == "folder" and node.holds(".git") else None


def read(nodes: list[Node], context: Context) -> Found:
    """Everybody, or every team; one attempt each, without a time."""
    clones = [node for node in nodes if file_part(node, context) is not None]
    shared = _assignment([node.name for node in clones], context)
    students = [
        Student(
            node.name.removeprefix(shared), "", [Attempt(node, None, late=False)], aliases=(node.name,), by_people=True
        )
        for node in clones
    ]
    strays, left_out = parted([node for node in nodes if file_part(node, context) is None], "github")
    return Found("github", students, left_out, strays, (len(clones), len(clones) + len(strays)))


def _assignment(clones: list[str], context: Context) -> str:
    """What names begin with that isn't somebody's: the beginning after which most of a roster's ids stand."""
    longest = title(clones, "-")
    parts = longest.split("-")[:-1]
    begins = ["".join(f"{part}-" for part in parts[:count]) for count in range(len(parts) + 1)]
    known = {begin: sum(context.knows(name.removeprefix(begin)) for name in clones) for begin in begins}
    if any(known.values()):
        return max(begins, key=lambda begin: (known[begin], len(begin)))
    if len(clones) < FEW:
        stem = {names.compact(context.homework.stem), names.compact(context.homework.name)}
        return next((begin for begin in begins if names.compact(begin) in stem), longest)
    return longest
