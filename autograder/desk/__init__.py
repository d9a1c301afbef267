"""The instructor's desk: pages, served on this machine, to watch a class, look at hand-ins, decide and hand back."""
