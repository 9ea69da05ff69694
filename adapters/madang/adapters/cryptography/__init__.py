"""Personal data at rest with the library `cryptography`: a ring of master keys, AES-256-GCM and keyed hashes."""
