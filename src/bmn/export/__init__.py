"""The trained network as programs: Paddle's two forms, ONNX, quantized, and the manifest beside them."""
