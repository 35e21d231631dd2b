"""How downloads connect: to allowed addresses alone, a few of each name, or by a proxy."""
