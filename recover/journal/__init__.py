"""What a run remembers: records (the lines), progress (their meaning), lock (who may write), runs (finding them)."""
