"""What people see; the only floor that knows Panel, beside the server."""
