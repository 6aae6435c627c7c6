"""Gateways of one store share its partitions: who has which, and how a command reaches its lane.

Ownership is a hint that keeps gateways out of each other's way. The fence decides who writes: any gateway may
write any partition at any moment.
"""
