"""Files of users: uploaded straight to the storage or through the API, checked, and theirs alone."""
