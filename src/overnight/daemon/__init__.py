"""The passes that carry decisions out, and the loop that repeats them."""
