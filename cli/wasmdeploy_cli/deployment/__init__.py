"""A deploy as named steps: check, publish, register, watch; and what undoes it."""
