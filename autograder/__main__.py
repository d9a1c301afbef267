"""`python -m autograder`: the command line, where the command `autograder` isn't on the path."""

from autograder.commands.app import main

if __name__ == "__main__":
    main()
