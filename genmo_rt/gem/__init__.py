"""GENMO's official release: its layout, its model, its weights."""
