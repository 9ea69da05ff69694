"""The `madang` command: each command in a module of its own that is imported when it is called."""
