"""Running the deployment: invariants and their repair."""
