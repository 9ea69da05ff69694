"""Password hashing by pwdlib."""
