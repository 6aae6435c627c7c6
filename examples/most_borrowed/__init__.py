"""An example of a view that is computed anew at every start: which titles are borrowed most."""
