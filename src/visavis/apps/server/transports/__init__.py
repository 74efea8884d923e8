"""How sound, picture and events get to a listener and back."""
