"""Reading what pictures are made from."""
