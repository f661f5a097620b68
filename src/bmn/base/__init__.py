"""What everything rests on: errors, files, parameters, run-time settings."""
