"""Reports: tables and figures of what the trials of a sweep came to."""
