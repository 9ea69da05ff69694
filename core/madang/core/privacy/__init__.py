"""What we owe a person: a copy of everything about them, and to forget them."""
