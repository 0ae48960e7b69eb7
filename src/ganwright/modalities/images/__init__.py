"""Images: folders, archives and arrays of them."""
