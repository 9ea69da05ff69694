"""First-party plugins: declared through the public hooks, found through the entry points of Madang's own distribution."""
