"""Machines that are reached over SSH, by the OpenSSH client of this machine."""
