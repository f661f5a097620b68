"""From raw features and annotations to batches: annotation forms, packed feature store, label maps."""
