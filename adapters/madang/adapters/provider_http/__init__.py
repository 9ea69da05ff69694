"""HTTP towards providers: the one transport beneath their adapters. It knows the ports, and no provider."""
