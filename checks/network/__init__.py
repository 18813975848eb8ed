"""The network test: probes that run on any host with python3, and the arithmetic over them."""
