"""The program ``library``: one system on one machine, its commands, checks, backups and embedded Kafka."""
