"""Tests of featprobe/finetuning: recipes, and how they train."""
