"""The write side: commands on the command line, imports of catalogues, and the HTTP gateway.

``producer.client.execute`` executes one command from another program.
"""

__all__ = ["client"]
