"""What administrators look at and change over HTTP."""
