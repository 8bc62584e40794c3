"""What a server has another machine do beside running attempts: standard library only, shipped as one file."""
