"""The processes of a training: started, supervised, stopped by signals."""
