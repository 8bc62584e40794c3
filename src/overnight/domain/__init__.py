"""Pure nouns of the domain: states, resources, plans, errors. Standard library only."""
