"""What the container's parts are made of, one module for each context."""
