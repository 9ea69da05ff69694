"""The photograph that `madang demo` works on; `ORIGIN.md` says where it is from."""
