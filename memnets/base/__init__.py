"""What everything stands on: states, checks, errors, seeding, files, saving. Imports nothing else of the project."""
