"""The offline plugin set: one provider for every port, deterministic by seed, honest about being a simulation."""
