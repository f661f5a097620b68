"""The trained network as programs: Paddle's two formats, ONNX, quantized ONNX, and their manifest."""
