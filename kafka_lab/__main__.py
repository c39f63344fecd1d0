"""``python -m kafka_lab`` is the command ``kafka-lab``."""

from kafka_lab.cli import main

main()
