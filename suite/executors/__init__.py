"""Where a cell's processes run."""
