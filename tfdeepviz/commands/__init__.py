"""One module for each family of commands of `tfdeepviz`; each imports what is heavy only when it runs."""
