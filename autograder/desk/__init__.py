"""The instructor's desk: pages, served on this machine, to watch a class, read submissions, decide and hand back."""
