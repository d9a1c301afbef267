"""One module a homework, each with a `HOMEWORK`."""
