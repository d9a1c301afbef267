"""Cell magics that a training can depend on: what a notebook keeps as it becomes a script, and what then runs them.

Read by `intake/notebook_script.py`, which keeps them, and by `proctor/notebook_shell.py`, which does what they say.
"""

RUN_THEIR_BODY = ("time", "timeit", "capture", "prun", "python", "python3", "memit", "mprun", "scalene", "wandb")
"""The rest of the cell is Python."""
WRITE_THEIR_BODY = ("writefile", "file")
"""The rest of the cell becomes a file."""
IN_A_SHELL = ("bash", "sh", "shell")
"""The rest of the cell is for the system's shell."""
