"""Looking before a run: what a recipe does to some rows, or to some images, of a dataset."""
