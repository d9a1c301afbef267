"""Kinds of networks, and what a homework asks of one of that kind: a module each.

Check modules of that kind read it; the rest of the kit knows no kind.
"""
