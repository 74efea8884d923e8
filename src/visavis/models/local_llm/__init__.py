"""Qwen2.5-Coder-1.5B-Instruct, run in this process by llama.cpp and asked as any chat server."""
