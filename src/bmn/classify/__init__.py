"""What happens in a segment: features pooled over it, a classifier learned from the annotations' labels, detections."""
