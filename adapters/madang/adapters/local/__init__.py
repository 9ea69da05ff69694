"""Storage on this machine's own disk, with presigned addresses that expire and are enforced."""
