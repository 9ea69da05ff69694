"""The HTTP edge: what clients see of the use cases, in the conventions of the HTTP contract."""
