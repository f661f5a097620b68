"""What runs an exported program, of ours or of others: Paddle Inference or ONNX Runtime."""
