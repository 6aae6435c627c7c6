"""Proofs about records: Merkle trees (RFC 6962), checkpoints and signed notes (C2SP); knows no event."""
