"""OpenIM's notification path, version 2: the HTTP interface, Kafka in the middle, the recipients' inboxes.

Follows open-im-server v2.1.0. Records are JSON instead of protobuf, so that a learner can read them.
"""
