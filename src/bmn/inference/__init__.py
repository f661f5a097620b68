"""From weights to proposals: running the network, exporting it, predicting with what was exported."""
