"""``git-token-webhook explain``: a judgement with its evidence, as a tree, a transcript or a recording."""
