"""Plugin surface: hook specifications, the manager, the registry and our own plugins."""
