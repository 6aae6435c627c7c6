"""Gateways of one store share its partitions: their assignment, and the way of a command to its lane.

Ownership is a hint that keeps gateways out of each other's way. The fence decides who writes: any gateway may
write any partition at any moment.
"""
