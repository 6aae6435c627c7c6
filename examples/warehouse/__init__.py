"""Another domain on the same engine: the stock of a warehouse."""
