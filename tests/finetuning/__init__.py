"""Tests of featprobe.finetuning."""
