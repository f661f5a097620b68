"""Videos into features: frames at their second, the network that describes them, one feature file a video."""
