"""How the model is trained: GENMO's two modes in one run (arXiv 2505.01425, section 3.3)."""
