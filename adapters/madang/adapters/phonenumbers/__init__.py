"""Phone numbers with the library `phonenumbers`."""
