"""The only modules that share a process with a student's code."""
