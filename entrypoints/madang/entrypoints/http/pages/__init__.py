"""Templates and static files of the pages that people see."""
