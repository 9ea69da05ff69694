"""`python -m madang.entrypoints.cli`, which the supervisor starts its children with."""

from madang.entrypoints.cli.main import main

if __name__ == "__main__":
    main()
