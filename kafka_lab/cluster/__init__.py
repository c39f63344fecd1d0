"""Bringing real processes to life: ZooKeeper and Kafka brokers as ordinary JVMs on 127.0.0.1."""
