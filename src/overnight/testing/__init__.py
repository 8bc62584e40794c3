"""What tests stand on: a fake clock, targets that lie, contract suites, the simulator. Imported by tests alone."""
