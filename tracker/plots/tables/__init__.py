"""From records to the table that a picture draws, and that `--data` writes."""
