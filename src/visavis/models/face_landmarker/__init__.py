"""478 face landmarks, 52 ARKit units and head pose, by MediaPipe's networks."""
