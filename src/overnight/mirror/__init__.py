"""Frozen copies of working folders: made here, brought to the machines where runs work in them."""
