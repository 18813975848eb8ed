"""What the operator sees. Knows events and requests; knows no server and no driver."""
