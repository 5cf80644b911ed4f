"""Drawing a table. Nothing is computed here but where things stand on the paper."""
