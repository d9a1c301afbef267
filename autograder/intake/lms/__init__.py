"""Whose files are whose: what learning management systems make of file names, a module for each; and plain folders."""
