"""One package per provider or engine, each independent of the others."""
