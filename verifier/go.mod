module library/verifier

go 1.23

require golang.org/x/mod v0.23.0
