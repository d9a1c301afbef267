"""A plain folder: `s0117-ines-carvalho/hw1.py` or `s0117.ipynb`, one folder or one file for each student.

The folder's name, or the file's without its ending, is the student's.
"""

from autograder.errors import printable
from autograder.intake.file_tree import Node
from autograder.intake.lms.found import Attempt, Context, Found, Student, is_script_with_more, may_be_handed_in


def file_part(node: Node, context: Context) -> int | None:
    """0 for whatever somebody may have handed in."""
    return 0 if may_be_handed_in(node) else None


def read(nodes: list[Node], context: Context) -> Found:
    """Everybody; a name that comes twice is twice there, for a person to see."""
    students, left_out = [], []
    for node in nodes:
        id_ = _id(node)
        if may_be_handed_in(node) or context.means(id_):
            # A clone's files have the time at which it was made, which says nothing.
            late = False if node.holds(".git") else None
            students.append(Student(id_, "", [Attempt(node, None, late)], by_people=True))
        else:
            left_out.append(printable(node.name))
    return Found("folder", students, left_out, [], (len(students), len(students)))


def _id(node: Node) -> str:
    if node.kind == "folder":
        return node.name
    stem = node.stem
    return stem.rpartition(".")[0] or stem if is_script_with_more(node.name) and "." in stem else stem
