"""What a decision costs, as ratios inside one run. Nothing here is asserted: shared machines are too uneven."""
