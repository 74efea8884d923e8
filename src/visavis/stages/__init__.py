"""What implements a protocol: recognizers, responders, synthesizers, animators, enhancers."""
